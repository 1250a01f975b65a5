import type { ReadableDevice } from "../filesystems/device.ts";
import { type FoundFile, withOpenFile } from "../filesystems/file-space.ts";
import { quotePath } from "../filesystems/names.ts";
import { KiB } from "../support/bytes.ts";
import { CapstanError } from "../support/errors.ts";
import { badElf, ElfBytes } from "./bytes.ts";
import { type Dynamic, readDynamic } from "./dynamic.ts";
import type { ElfFile, ElfSymbols } from "./elf-file.ts";
import { type ElfHeader, readHeader } from "./headers.ts";
import { elfKind } from "./kind.ts";
import {
  DF_1_NODEFLIB,
  EI_CLASS,
  EI_DATA,
  EI_VERSION,
  ELFCLASS32,
  ELFCLASS64,
  ELFDATA2LSB,
  ELFDATA2MSB,
  EV_CURRENT,
  IDENT_SIZE,
  MAGIC,
  PT_INTERP,
  PT_TLS,
  Tag,
} from "./layout.ts";
import { machineName } from "./machines.ts";
import { readNotes } from "./notes.ts";
import { readRelocatedVariables } from "./relocated-variables.ts";
import { readRelocationTypes } from "./relocations.ts";
import { hasSection } from "./sections.ts";
import { readSymbols } from "./symbols.ts";
import { readVersions } from "./versions.ts";

/** Whether the file starts as an ELF file does: says nothing of its soundness. */
export function isElf(device: ReadableDevice): boolean {
  return device.size >= MAGIC.length && readStart(device, MAGIC.length).equals(MAGIC);
}

/**
 * Reads an ELF file of any machine, class and byte order. The file is opened, read and closed; and again for `symbols()`,
 * `relocationTypes()` and `relocatedVariables()`. Errors: CapstanError `not-elf`, `bad-elf` (what is wrong, and at which byte), and those of opening.
 */
export function readElfFile(file: Pick<FoundFile, "realPath" | "open">): ElfFile {
  const { realPath: path } = file;
  const facts = withOpenFile(file, (device) => describe(openBytes(device, path)));
  return { path, ...facts, ...lazyParts(file, path) };
}

/** The same of a device that stays open for as long as the functions of the answer are called. `path` is for messages. */
export function readElf(device: ReadableDevice, path: string): ElfFile {
  const open = { size: device.size, read: device.read.bind(device), close: () => {} };
  return readElfFile({ realPath: path, open: () => open });
}

function readStart(device: ReadableDevice, length: number): Buffer {
  const start = Buffer.alloc(Math.min(length, device.size));
  device.read(start, 0);
  return start;
}

function openBytes(device: ReadableDevice, path: string): ElfBytes {
  const ident = readStart(device, IDENT_SIZE);
  if (!ident.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw new CapstanError(`${quotePath(path)} is neither a program nor a library: it is no ELF file`, {
      code: "not-elf",
      hint: "Name a compiled program; scripts are started by their interpreter.",
    });
  }
  if (ident.length < IDENT_SIZE) throw badElf(path, `it ends within its header, at byte ${ident.length}`);
  const [bits, order, version] = [ident[EI_CLASS], ident[EI_DATA], ident[EI_VERSION]];
  if (bits !== ELFCLASS32 && bits !== ELFCLASS64) throw badElf(path, `its class at byte ${EI_CLASS} is ${bits}`);
  if (order !== ELFDATA2LSB && order !== ELFDATA2MSB) {
    throw badElf(path, `its byte order at byte ${EI_DATA} is ${order}`);
  }
  if (version !== EV_CURRENT) throw badElf(path, `its version at byte ${EI_VERSION} is ${version}`);
  return new ElfBytes(device, {
    path,
    bits: bits === ELFCLASS64 ? 64 : 32,
    byteOrder: order === ELFDATA2LSB ? "little" : "big",
  });
}

function describe(bytes: ElfBytes): Omit<ElfFile, "path" | keyof LazyParts> {
  const header = readHeader(bytes);
  const dynamic = readDynamic(bytes, header.segments);
  const strings = (tag: number, what: string) => dynamic?.all(tag).map((at) => dynamic.string(at, what)) ?? [];
  const paths = (tag: number, what: string) => strings(tag, what).at(-1)?.split(":") ?? [];
  const interpreter = readInterpreter(bytes, header);
  const needed = strings(Tag.needed, "the name of a needed library");
  const soname = strings(Tag.soname, "its SONAME").at(-1);
  const versions = dynamic && readVersions(bytes, dynamic);
  const tls = header.segments.find(({ type }) => type === PT_TLS);
  const notes = readNotes(bytes, header);
  return {
    bits: bytes.format.bits,
    byteOrder: bytes.format.byteOrder,
    machine: machineName(header.machine),
    kind: elfKind(header, { dynamic, interpreter, needed, soname }),
    interpreter,
    needed,
    soname,
    rpath: paths(Tag.rpath, "its RPATH"),
    runpath: paths(Tag.runpath, "its RUNPATH"),
    noDefaultLibraries: ((dynamic?.value(Tag.flags1) ?? 0n) & DF_1_NODEFLIB) !== 0n,
    packedRelocations: dynamic?.value(Tag.relr) !== undefined,
    tlsSize: tls?.memorySize ?? 0,
    tlsAlignment: tls?.alignment ?? 0,
    versionsNeeded: versions?.needed ?? [],
    versionsDefined: versions?.defined ?? [],
    ...notes,
    language: notes.language ?? (hasSection(bytes, header, ".go.buildinfo") ? "go" : undefined),
  };
}

type LazyParts = Pick<ElfFile, "symbols" | "relocationTypes" | "relocatedVariables">;

/** Apart from `describe`, so that they do not keep what it has read in memory. */
function lazyParts(file: Pick<FoundFile, "open">, path: string): LazyParts {
  const again = <T>(use: (bytes: ElfBytes) => T) => withOpenFile(file, (device) => use(openBytes(device, path)));
  let symbols: ElfSymbols | undefined;
  let relocations: ReadonlySet<number> | undefined;
  let variables: ReadonlySet<string> | undefined;
  return {
    symbols: () => {
      symbols ??= again((bytes) => readSymbols(bytes, ...reopened(bytes)));
      return symbols;
    },
    relocationTypes: () => {
      relocations ??= again((bytes) => readRelocationTypes(bytes, reopened(bytes)[0]));
      return relocations;
    },
    relocatedVariables: () => {
      variables ??= again((bytes) => readRelocatedVariables(bytes, ...reopened(bytes)));
      return variables;
    },
  };
}

/** From the file anew: it may have become another one. */
function reopened(bytes: ElfBytes): [dynamic: Dynamic | undefined, sections: ReturnType<ElfHeader["sections"]>] {
  const header = readHeader(bytes);
  return [readDynamic(bytes, header.segments), header.sections()];
}

/** PATH_MAX of Linux, which refuses programs whose PT_INTERP is longer. */
const MAX_INTERPRETER = 4 * KiB;

function readInterpreter(bytes: ElfBytes, { segments }: ElfHeader): string | undefined {
  const segment = segments.find(({ type }) => type === PT_INTERP);
  if (segment === undefined) return undefined;
  const what = "the name of its interpreter";
  const end = segment.offset + segment.fileSize;
  return bytes.text(segment.offset, { end, limit: MAX_INTERPRETER, what });
}
