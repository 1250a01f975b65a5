import { MiB } from "../support/bytes.ts";

/**
 * The ELF of a kernel as a whole of bytes, for facts that are in no table: texts, and addresses in its code.
 * Only 64-bit little-endian ones: OSv has no others. Source of the layout: the System V gABI, "ELF Header" and "Program Header".
 */
export interface KernelElf {
  readonly bytes: Buffer;
  /** What is among its constants as a whole, with a NUL on each side, and has ".so" in it: names of libraries. */
  libraryNames(): ReadonlySet<string>;
  /** Whether the text is anywhere in it. */
  includes(text: string): boolean;
  /** Where the thread-local storage lies, and its size in memory; undefined without one. */
  readonly tls: Span | undefined;
}

export interface Span {
  readonly address: bigint;
  readonly size: bigint;
}

/** An OSv kernel with debugging information has 80 MB, of which what is loaded comes first. */
export const MAX_KERNEL = 256 * MiB;

const HEADER_SIZE = 64;
const PROGRAM_HEADER_SIZE = 56;
const MAX_PROGRAM_HEADERS = 64;
const PT_LOAD = 1;
const PT_TLS = 7;

/** Undefined where that is no ELF file of the kind that kernels are. */
export function kernelElf(file: Buffer): KernelElf | undefined {
  if (file.length < HEADER_SIZE || file.toString("latin1", 0, 6) !== "\x7fELF\x02\x01") return undefined;
  const headers = programHeaders(file);
  const loaded = headers.filter((header) => header.type === PT_LOAD);
  const end = loaded.reduce((most, header) => Math.max(most, Number(header.offset + header.fileSize)), 0);
  const bytes = file.subarray(0, Math.min(end, file.length));
  const tls = headers.find((header) => header.type === PT_TLS);
  return {
    bytes,
    libraryNames: () => libraryNames(bytes),
    includes: (text) => bytes.includes(text, 0, "latin1"),
    tls: tls === undefined ? undefined : { address: tls.address, size: tls.memorySize },
  };
}

function programHeaders(file: Buffer) {
  const start = file.readBigUInt64LE(32);
  const count = file.readUInt16LE(56);
  const known = file.readUInt16LE(54) === PROGRAM_HEADER_SIZE && count <= MAX_PROGRAM_HEADERS;
  if (!known || start + BigInt(count * PROGRAM_HEADER_SIZE) > BigInt(file.length)) return [];
  return Array.from({ length: count }, (_, index) => {
    const at = Number(start) + index * PROGRAM_HEADER_SIZE;
    return {
      type: file.readUInt32LE(at),
      offset: file.readBigUInt64LE(at + 8),
      address: file.readBigUInt64LE(at + 16),
      fileSize: file.readBigUInt64LE(at + 32),
      memorySize: file.readBigUInt64LE(at + 40),
    };
  });
}

const MAX_NAME = 64;

/** In one look: to search for each of some twenty names in several MB takes tens of milliseconds. */
function libraryNames(bytes: Buffer): ReadonlySet<string> {
  const names = new Set<string>();
  for (let at = bytes.indexOf(".so"); at >= 0; at = bytes.indexOf(".so", at + 1)) {
    const start = Math.max(0, at - MAX_NAME);
    const around = bytes.toString("latin1", start, at + MAX_NAME);
    const [from, to] = [around.lastIndexOf("\0", at - start), around.indexOf("\0", at - start)];
    if (from >= 0 && to >= 0) names.add(around.slice(from + 1, to));
  }
  return names;
}
