/**
 * The records of a tar archive.
 * Sources: POSIX.1-2017 pax(1), "ustar Interchange Format" and "pax Header Block"; GNU tar manual, "Basic Tar Format".
 */
import { byteLength, encodeName } from "../../support/name-bytes.ts";

/** Everything in an archive is a multiple of this; headers are one block. */
export const BLOCK_SIZE = 512;

/** Offset and length in bytes of each field of a header block. */
const FIELDS = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  type: [156, 1],
  linkName: [157, 100],
  /** Magic and version together: GNU's old format and POSIX's differ only in these bytes. */
  magic: [257, 8],
  deviceMajor: [329, 8],
  deviceMinor: [337, 8],
  prefix: [345, 155],
} as const satisfies Record<string, readonly [offset: number, length: number]>;

export const NAME_SIZE = FIELDS.name[1];
export const PREFIX_SIZE = FIELDS.prefix[1];

/** The largest size or time that eleven octal digits hold; larger ones need a PAX record. */
export const MAX_OCTAL_NUMBER = 0o77777777777;

/** Offsets in the header of a sparse file and in the blocks that go on with its runs, and how many runs each holds. */
const SPARSE = { runs: 386, inHeader: 4, isExtended: 482, realSize: 483, inBlock: 21, blockIsExtended: 504 } as const;
const NUMBER_SIZE = 12;

const GNU_MAGIC = "ustar  \0";
const POSIX_MAGIC = "ustar\0" + "00";

export const TypeFlag = {
  oldFile: "\0",
  file: "0",
  hardLink: "1",
  symlink: "2",
  characterDevice: "3",
  blockDevice: "4",
  directory: "5",
  fifo: "6",
  contiguousFile: "7",
  paxHeader: "x",
  paxGlobalHeader: "g",
  gnuLongName: "L",
  gnuLongLink: "K",
  gnuSparse: "S",
} as const;

/** A header block, decoded as far as that is possible without knowing what stands before it. */
export interface Header {
  /** One character. */
  readonly type: string;
  /** Bytes up to the first NUL, the prefix of ustar archives joined on. */
  readonly name: Uint8Array;
  readonly linkName: Uint8Array;
  /** All of these are NaN where the field holds no number. */
  readonly mode: number;
  readonly size: number;
  readonly mtime: number;
}

export type HeaderProblem = "checksum";

/** Decodes one block; a block whose checksum is wrong is no header. */
export function decodeHeader(block: Uint8Array): Header | HeaderProblem {
  const stored = decodeNumber(field(block, "checksum"));
  if (stored !== checksum(block) && stored !== signedChecksum(block)) return "checksum";
  const posix = latin1(field(block, "magic")) === POSIX_MAGIC;
  const prefix = posix ? untilNul(field(block, "prefix")) : EMPTY;
  const name = untilNul(field(block, "name"));
  return {
    type: latin1(field(block, "type")),
    name: prefix.length === 0 ? name : Buffer.concat([prefix, SLASH, name]),
    linkName: untilNul(field(block, "linkName")),
    mode: decodeNumber(field(block, "mode")),
    size: decodeNumber(field(block, "size")),
    mtime: decodeNumber(field(block, "mtime")),
  };
}

export interface HeaderFields {
  readonly type: string;
  /** ASCII, at most NAME_SIZE bytes. */
  readonly name: string;
  /** ASCII, at most PREFIX_SIZE bytes. */
  readonly prefix?: string;
  /** ASCII, at most NAME_SIZE bytes. */
  readonly linkName?: string;
  readonly mode: number;
  readonly size: number;
  /** Whole seconds since 1970, not negative. */
  readonly mtime: number;
  /** GNU's old format, which has no prefix. */
  readonly gnu?: boolean;
}

/** A ustar header: owner and group 0 without names, so that it does not tell who made the archive. */
export function encodeHeader(fields: HeaderFields): Uint8Array {
  const block = Buffer.alloc(BLOCK_SIZE);
  putText(block, "name", fields.name);
  putOctal(block, "mode", fields.mode);
  putOctal(block, "uid", 0);
  putOctal(block, "gid", 0);
  putOctal(block, "size", fields.size);
  putOctal(block, "mtime", fields.mtime);
  putText(block, "type", fields.type);
  putText(block, "linkName", fields.linkName ?? "");
  putText(block, "magic", fields.gnu === true ? GNU_MAGIC : POSIX_MAGIC);
  if (fields.gnu !== true) {
    putOctal(block, "deviceMajor", 0);
    putOctal(block, "deviceMinor", 0);
    putText(block, "prefix", fields.prefix ?? "");
  }
  putChecksum(block);
  return block;
}

/** A run of a sparse file that is not zero, in bytes. */
export interface SparseRun {
  readonly offset: number;
  readonly length: number;
}

/**
 * The header of a sparse file in GNU's old format, with as many further blocks as its runs take; their bytes follow, one
 * after another. Source: GNU tar manual, appendix "Storing Sparse Files", section "Old GNU Format".
 */
export function encodeSparseHeader(
  fields: Omit<HeaderFields, "type" | "size" | "prefix">,
  { size, runs }: { readonly size: number; readonly runs: readonly SparseRun[] },
): Uint8Array {
  // The last run says where the file ends, even if it has no bytes.
  const last = runs.at(-1);
  const all = last !== undefined && last.offset + last.length === size ? runs : [...runs, { offset: size, length: 0 }];
  const stored = runs.reduce((sum, { length }) => sum + length, 0);
  const first = all.slice(0, SPARSE.inHeader);
  const block = Buffer.from(encodeHeader({ ...fields, type: TypeFlag.gnuSparse, size: 0, gnu: true }));
  putNumber(block, FIELDS.size[0], stored);
  putRuns(block, SPARSE.runs, first);
  block[SPARSE.isExtended] = all.length > first.length ? 1 : 0;
  putNumber(block, SPARSE.realSize, size);
  putChecksum(block);
  const blocks = [block];
  for (let at = first.length; at < all.length; at += SPARSE.inBlock) {
    const further = Buffer.alloc(BLOCK_SIZE);
    putRuns(further, 0, all.slice(at, at + SPARSE.inBlock));
    further[SPARSE.blockIsExtended] = at + SPARSE.inBlock < all.length ? 1 : 0;
    blocks.push(further);
  }
  return Buffer.concat(blocks);
}

/** What a header of a sparse file says beyond the others; sizes are NaN where a field holds no number. */
export interface SparseHeader {
  readonly realSize: number;
  readonly runs: readonly SparseRun[];
  /** A further block of runs follows. */
  readonly isExtended: boolean;
}

export function decodeSparseHeader(block: Uint8Array): SparseHeader {
  const { runs, inHeader, isExtended, realSize } = SPARSE;
  return {
    realSize: decodeNumber(block.subarray(realSize, realSize + NUMBER_SIZE)),
    runs: decodeRuns(block, runs, inHeader),
    isExtended: block[isExtended] !== 0,
  };
}

/** One of the blocks that go on with the runs. */
export function decodeSparseBlock(block: Uint8Array): Omit<SparseHeader, "realSize"> {
  return { runs: decodeRuns(block, 0, SPARSE.inBlock), isExtended: block[SPARSE.blockIsExtended] !== 0 };
}

/** Up to the first that is not there. */
function decodeRuns(block: Uint8Array, start: number, count: number): readonly SparseRun[] {
  const runs: SparseRun[] = [];
  for (let at = start; at < start + count * 2 * NUMBER_SIZE; at += 2 * NUMBER_SIZE) {
    if (block[at + NUMBER_SIZE] === 0 && block[at] === 0) break;
    const offset = decodeNumber(block.subarray(at, at + NUMBER_SIZE));
    const length = decodeNumber(block.subarray(at + NUMBER_SIZE, at + 2 * NUMBER_SIZE));
    runs.push({ offset, length });
  }
  return runs;
}

/** Octal text, or GNU's base-256 with the highest bit set. NaN when it is neither, or larger than 2^53. */
export function decodeNumber(bytes: Uint8Array): number {
  const first = bytes[0] ?? 0;
  if ((first & 0x80) !== 0) return decodeBase256(bytes);
  let at = 0;
  while (bytes[at] === BLANK) at++;
  let value = 0;
  for (; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if (byte === 0 || byte === BLANK) break;
    if (byte < ZERO || byte > ZERO + 7) return Number.NaN;
    value = value * 8 + (byte - ZERO);
  }
  return safe(value);
}

/** The keyword and value of each record `LENGTH KEYWORD=VALUE\n`; undefined when the bytes are not such records. */
export function decodePaxRecords(bytes: Uint8Array): Map<string, Uint8Array> | undefined {
  const records = new Map<string, Uint8Array>();
  let start = 0;
  while (start < bytes.length) {
    const blank = bytes.indexOf(0x20, start);
    if (blank < 0 || blank - start > 10) return undefined;
    const digits = latin1(bytes.subarray(start, blank));
    const end = start + Number(digits);
    if (!/^[1-9][0-9]*$/.test(digits) || end > bytes.length || bytes[end - 1] !== 0x0a) return undefined;
    const equals = bytes.indexOf(0x3d, blank);
    if (equals <= blank + 1 || equals >= end) return undefined;
    records.set(latin1(bytes.subarray(blank + 1, equals)), bytes.subarray(equals + 1, end - 1));
    start = end;
  }
  return records;
}

/** The record's length counts its own digits. */
export function encodePaxRecord(keyword: string, value: string): Uint8Array {
  const rest = byteLength(` ${keyword}=${value}\n`);
  let length = rest + String(rest).length;
  length = rest + String(length).length;
  return encodeName(`${length} ${keyword}=${value}\n`);
}

/** How many zero bytes follow content of that size. */
export function paddingOf(size: number): number {
  return (BLOCK_SIZE - (size % BLOCK_SIZE)) % BLOCK_SIZE;
}

const SLASH = Buffer.from("/");
const EMPTY = new Uint8Array();
const BLANK = 0x20;
const ZERO = 0x30;

function field(block: Uint8Array, name: keyof typeof FIELDS): Uint8Array {
  const [offset, length] = FIELDS[name];
  return block.subarray(offset, offset + length);
}

function putText(block: Buffer, name: keyof typeof FIELDS, text: string): void {
  const [offset, length] = FIELDS[name];
  if (text.length > length) throw new RangeError(`'${text}' does not fit in the field ${name} of a tar header`);
  block.write(text, offset, "latin1");
}

function putOctal(block: Buffer, name: keyof typeof FIELDS, value: number): void {
  const digits = FIELDS[name][1] - 1;
  putText(block, name, value.toString(8).padStart(digits, "0"));
}

/** Six digits, NUL, blank: what every tar since the seventh edition writes here. */
function putChecksum(block: Buffer): void {
  putText(block, "checksum", `${checksum(block).toString(8).padStart(6, "0")}\0 `);
}

function putRuns(block: Buffer, at: number, runs: readonly SparseRun[]): void {
  runs.forEach(({ offset, length }, index) => {
    putNumber(block, at + index * 2 * NUMBER_SIZE, offset);
    putNumber(block, at + (index * 2 + 1) * NUMBER_SIZE, length);
  });
}

/** Eleven octal digits, or base 256 with the highest bit set for what they cannot hold. */
function putNumber(block: Buffer, at: number, value: number): void {
  if (value <= MAX_OCTAL_NUMBER) {
    block.write(value.toString(8).padStart(NUMBER_SIZE - 1, "0"), at, "latin1");
    return;
  }
  block.fill(0, at, at + NUMBER_SIZE);
  block[at] = 0x80;
  block.writeBigUInt64BE(BigInt(value), at + NUMBER_SIZE - 8);
}

/** The sum of all bytes, the checksum's own field counted as blanks. */
function checksum(block: Uint8Array): number {
  let total = BLANK * FIELDS.checksum[1];
  for (let i = 0; i < BLOCK_SIZE; i++) if (!inChecksum(i)) total += block[i] ?? 0;
  return total;
}

/** Some old systems summed signed characters; readers have to take both. */
function signedChecksum(block: Uint8Array): number {
  let total = BLANK * FIELDS.checksum[1];
  for (let i = 0; i < BLOCK_SIZE; i++) if (!inChecksum(i)) total += ((block[i] ?? 0) << 24) >> 24;
  return total;
}

function inChecksum(index: number): boolean {
  const [start, length] = FIELDS.checksum;
  return index >= start && index < start + length;
}

/** Two's complement, big endian; the highest bit is the mark and the next one the sign. */
function decodeBase256(bytes: Uint8Array): number {
  const first = bytes[0] ?? 0;
  const negative = (first & 0x40) !== 0;
  let value = BigInt(negative ? first : first & 0x7f);
  for (const byte of bytes.subarray(1)) value = (value << 8n) | BigInt(byte);
  if (negative) value = BigInt.asIntN(bytes.length * 8, value);
  return safe(Number(value));
}

function safe(value: number): number {
  return Number.isSafeInteger(value) ? value : Number.NaN;
}

function untilNul(bytes: Uint8Array): Uint8Array {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}
