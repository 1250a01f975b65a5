import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

export interface SyntheticKernel {
  readonly version?: string | undefined;
  /** Whether its texts are those of a kernel that starts static programs. */
  readonly isNew?: boolean;
  /** Names of libraries among its constants. */
  readonly supplies?: readonly string[];
  /** Names of functions. */
  readonly exports?: readonly string[];
  /** Thread-local storage for programs; undefined for a kernel that compares with nothing. */
  readonly reserve?: number | undefined;
}

/** As in OSv's arch/x64/loader.ld: the reserve is the end of the thread-local storage, and only code knows where it begins. */
const SCRIPT = `
ENTRY(start)
PHDRS { text PT_LOAD FILEHDR PHDRS; dynamic PT_DYNAMIC; tls PT_TLS; }
SECTIONS {
  . = 0x40200000 + SIZEOF_HEADERS;
  .dynamic : { *(.dynamic) } :text :dynamic
  .text : { *(.text*) } :text
  .rodata : { *(.rodata*) }
  .dynsym : { *(.dynsym) }
  .dynstr : { *(.dynstr) }
  .hash : { *(.hash) }
  .gnu.hash : { *(.gnu.hash) }
  . = ALIGN(64);
  .tdata : { *(.tdata*) } :tls :text
  .tbss : {
    *(.tbss*)
    HIDDEN(reserve_start = .);
    . = . + RESERVE;
    . = ALIGN(64);
    HIDDEN(reserve_end = .);
  } :tls :text
  .bss : { *(.bss*) } :text
  /DISCARD/ : { *(.eh_frame*) *(.comment) *(.note*) *(.interp) }
}`;

/** Makes a file of the shape of an OSv kernel's ELF with the machine's gcc, and returns its path. */
export function makeKernel(folder: string, name: string, kernel: SyntheticKernel): string {
  const { version = "v0.57.0", isNew = false, supplies = ["libc.so.6"], exports = [], reserve } = kernel;
  const file = (suffix: string) => join(folder, `${name}${suffix}`);
  const texts = [
    ...(version === "" ? [] : [`OSv ${version}\\n`]),
    `type == ARCH_JUMP_SLOT || type == ARCH_TLSDESC${isNew ? " || type == ARCH_IRELATIVE" : ""}`,
    ...(isNew ? [] : ["Statically linked executables are not supported!\\n"]),
    ...supplies,
  ];
  const compares =
    reserve === undefined
      ? ""
      : 'asm volatile("mov $reserve_end, %r12d\\n\\tlea 8(%r13), %rdx\\n\\tsub $reserve_start, %r12");';
  const source = [
    `const char *const texts[] = { ${texts.map((text) => `"${text}"`).join(", ")} };`,
    "__thread long own = 1; __thread char own_too[24];",
    ...exports.map((symbol) => `void ${symbol}(void) {}`),
    `void start(void) { ${compares} }`,
  ].join("\n");
  writeFileSync(file(".c"), source);
  writeFileSync(file(".ld"), SCRIPT.replace("RESERVE", String(reserve ?? 64)));
  writeFileSync(file("-dummy.c"), "");
  const gcc = (...args: readonly string[]) => execFileSync("gcc", args, { stdio: ["ignore", "pipe", "pipe"] });
  gcc("-shared", "-nostdlib", "-o", file("-dummy.so"), file("-dummy.c"));
  const link = [
    "-nostdlib",
    "-no-pie",
    "-Wl,-E,--no-as-needed,--hash-style=both,--build-id=none",
    `-Wl,-T,${file(".ld")}`,
  ];
  gcc("-O1", "-fno-pie", "-ffreestanding", ...link, "-o", file(".elf"), file(".c"), file("-dummy.so"));
  return file(".elf");
}
