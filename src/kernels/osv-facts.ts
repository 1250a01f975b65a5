/**
 * What is known of OSv kernels: what shows in their ELF, and what is taken where it does not.
 * Sources: OSv core/elf.cc (what the kernel supplies, what its linker refuses), arch/x64/arch-elf.cc and arch/aarch64/arch-elf.cc
 * (relocations), arch/x64/loader.ld and the Makefile (thread-local storage), each of v0.57.0 and of the head of 2026-08.
 */
import type { KernelElf } from "./kernel-elf.ts";

export type OsvMachine = "x86-64" | "aarch64";

/** Libraries that one kernel or other has inside; those of a kernel are among its texts, since it compares names with them. */
const SUPPLIED = [
  "libresolv.so.2",
  "libc.so.6",
  "libm.so.6",
  "libpthread.so.0",
  "libdl.so.2",
  "librt.so.1",
  "libaio.so.1",
  "libcrypt.so.1",
  "libxenstore.so.3.0",
  "libutil.so",
] as const;
const SUPPLIED_BY_MACHINE: Readonly<Record<OsvMachine, readonly string[]>> = {
  "x86-64": ["ld-linux-x86-64.so.2", "libc.musl-x86_64.so.1"],
  aarch64: ["ld-linux-aarch64.so.1"],
};
/** Left out by kernels that keep their C++ to themselves (conf_hide_symbols), and by those built with a newer Boost. */
const SUPPLIED_AT_TIMES = [
  "libstdc++.so.6",
  "ld-musl-x86_64.so.1",
  "libboost_system.so.1.55.0",
  "libboost_system-mt.so.1.55.0",
] as const;

/** What every kernel of the machine supplies: for those whose ELF cannot be read. */
export function usuallySupplied(machine: OsvMachine): ReadonlySet<string> {
  return new Set([...SUPPLIED, ...SUPPLIED_BY_MACHINE[machine], "libstdc++.so.6"]);
}

/** The names that stand in the kernel. The C++ library counts only if its symbols can be bound to. */
export function suppliedNames(elf: KernelElf, exports: ReadonlySet<string> | undefined): ReadonlySet<string> {
  const found = elf.libraryNames();
  const known = [...SUPPLIED, ...Object.values(SUPPLIED_BY_MACHINE).flat(), ...SUPPLIED_AT_TIMES];
  const names = known.filter((name) => found.has(name));
  const hidesCxx = exports !== undefined && !exports.has(CXX_SYMBOL);
  return new Set(names.filter((name) => !(hidesCxx && name === "libstdc++.so.6")));
}

/** `std::terminate()`, which every C++ library has had from the first. */
const CXX_SYMBOL = "_ZSt9terminatev";

/** "v0.57.0-398-g0e34e4dc": in the text with which it greets. */
export function versionText(elf: KernelElf): string | undefined {
  const greeting = Buffer.from("OSv v");
  for (let at = elf.bytes.indexOf(greeting); at >= 0; at = elf.bytes.indexOf(greeting, at + 1)) {
    const text = elf.bytes.toString("latin1", at + 4, at + 4 + 80);
    const found = /^v\d+\.\d+[\w.+~-]*(?=[\0\n])/.exec(text);
    if (found !== null) return found[0];
  }
  return undefined;
}

/** Whether it starts static programs and, since the day before that, the Linux dynamic loader (both 2023-10). */
export function startsForeignLinkers(elf: KernelElf): boolean {
  return knowsIrelative(elf) && !elf.includes("Statically linked executables are not supported");
}

/** The text of an assertion of its linker lists the relocations of procedure linkage tables that it knows (since 2023-08). */
function knowsIrelative(elf: KernelElf): boolean {
  return elf.includes("|| type == ARCH_IRELATIVE");
}

/** Numbers of the psABIs: R_X86_64_… and R_AARCH64_…. */
const RELOCATIONS: Readonly<Record<OsvMachine, { readonly always: readonly number[]; readonly irelative: number }>> = {
  // NONE, 64, COPY, GLOB_DAT, JUMP_SLOT, RELATIVE, DTPMOD64, DTPOFF64, TPOFF64, TLSDESC
  "x86-64": { always: [0, 1, 5, 6, 7, 8, 16, 17, 18, 36], irelative: 37 },
  // NONE (both), ABS64, COPY, GLOB_DAT, JUMP_SLOT, RELATIVE, TLS_TPREL, TLSDESC
  aarch64: { always: [0, 256, 257, 1024, 1025, 1026, 1027, 1030, 1031], irelative: 1032 },
};

export function knownRelocations(machine: OsvMachine, elf: KernelElf | undefined): ReadonlySet<number> {
  const { always, irelative } = RELOCATIONS[machine];
  return new Set(elf !== undefined && knowsIrelative(elf) ? [...always, irelative] : always);
}

/**
 * The ZFS data set that becomes the root. OSv's ZFS is a library, which some loaders carry with them (usr_zfs.manifest.skel)
 * and others only ask for: its own messages tell that it is there. Kernels up to v0.57.0 name "osv/zfs"
 * (fs/vfs/main.cc: mount_zfs_rootfs), later ones the pool itself.
 */
export function zfsRoot(elf: KernelElf): "osv" | "osv/zfs" | false {
  if (!elf.includes("ZFS WARNING: ")) return false;
  return elf.includes("osv/zfs") ? "osv/zfs" : "osv";
}

/** What OSv's Makefile asks for: 64 bytes, since 2026-04 512. Padding can make it up to 63 more. */
export const LEAST_TLS = 64;

/** How far apart, in bytes, the two addresses stand in the code that compares with the reserve. */
const NEAR = 64;

/**
 * The thread-local storage that the kernel keeps free for a program, at the end of its own: no symbol tells where it begins. But
 * its linker compares with the size, as end less begin, and both are constants in that code: the end is that of PT_TLS,
 * which no other code needs. Undefined where this is not found, or not without doubt.
 */
export function tlsReserve(elf: KernelElf): number | undefined {
  const { tls, bytes } = elf;
  if (tls === undefined || tls.address + tls.size > 0xffff_ffffn) return undefined;
  const first = Number(tls.address);
  const end = first + Number(tls.size);
  const wanted = Buffer.alloc(4);
  wanted.writeUInt32LE(end);
  const sizes = new Set<number>();
  for (let at = bytes.indexOf(wanted); at >= 0; at = bytes.indexOf(wanted, at + 1)) {
    for (let near = Math.max(0, at - NEAR); near < at + NEAR && near + 4 <= bytes.length; near++) {
      const value = bytes.readUInt32LE(near);
      if (value > first && value < end) sizes.add(end - value);
    }
  }
  const [size] = sizes;
  return sizes.size === 1 ? size : undefined;
}

/** Since 2025-05, core/elf.cc relocates when all is loaded, the program first; before that, each library before what needs it. */
export function copiesTooEarly(version: string | undefined): boolean {
  return commitsAfterLastRelease(version) >= 289;
}

/** core/elf.cc knows DT_RELR since 2025-02. */
export function ignoresRelr(version: string | undefined): boolean {
  return commitsAfterLastRelease(version) < 265;
}

/** Counted from v0.57.0 as `git describe` does: 0 for that and all before it, and where no version shows; without end for later releases. */
function commitsAfterLastRelease(version: string | undefined): number {
  const parts = /^v(\d+)\.(\d+)(?:\.(\d+))?(?:-(\d+)-g)?/.exec(version ?? "");
  if (parts === null) return 0;
  const [major = 0, minor = 0, patch = 0, commits = 0] = parts.slice(1).map((part) => Number(part ?? 0));
  if (major === 0 && minor < 57) return 0;
  return major === 0 && minor === 57 && patch === 0 ? commits : Number.POSITIVE_INFINITY;
}
