/**
 * The qcow2 format, versions 2 and 3: the header and the entries of its tables. All numbers are big-endian.
 * Source of every fact here: QEMU's specification, docs/interop/qcow2.txt. The limits are those that QEMU sets itself.
 *
 *     header, header extensions, name of the backing file     first cluster
 *     L1 table        8 bytes an entry, each the offset of an L2 table
 *     L2 tables       one cluster each, 8 bytes an entry, each a cluster of the disk
 *     refcount table  8 bytes an entry, each the offset of a refcount block
 *     refcount blocks one cluster each, one number for each cluster of the file
 */
import { KiB, MiB } from "../../support/bytes.ts";
import { CapstanError } from "../../support/errors.ts";

export const MAGIC = 0x514649fb;
export const ENTRY_SIZE = 8;
export const MIN_CLUSTER_BITS = 9;
export const MAX_CLUSTER_BITS = 21;
/** The largest L1 table that QEMU opens. */
export const MAX_L1_BYTES = 32 * MiB;
export const MAX_BACKING_NAME = 1023;
export const HEADER_SIZE_V2 = 72;
export const HEADER_SIZE_V3 = 104;

const EXTENSION_END = 0;
const EXTENSION_BACKING_FORMAT = 0xe2792aca;
const EXTENSION_FEATURE_NAMES = 0x6803f857;
const FEATURE_NAME_SIZE = 48;

/** Bits of the incompatible features, and what to do about an image that has one. */
const INCOMPATIBLE = {
  dirty: 0,
  corrupt: 1,
  externalData: 2,
  compressionType: 3,
  extendedL2: 4,
} as const;

/** Byte offsets of the header's fields. */
const FIELD = {
  magic: 0,
  version: 4,
  backingOffset: 8,
  backingLength: 16,
  clusterBits: 20,
  size: 24,
  encryption: 32,
  l1Entries: 36,
  l1Offset: 40,
  refcountTableOffset: 48,
  refcountTableClusters: 56,
  snapshots: 60,
  snapshotsOffset: 64,
  incompatibleFeatures: 72,
  compatibleFeatures: 80,
  autoclearFeatures: 88,
  refcountOrder: 96,
  headerLength: 100,
  compressionType: 104,
} as const;

const ENCRYPTIONS = ["none", "AES", "LUKS"];
const COMPRESSIONS = ["zlib", "zstd"];

/** What a reader needs of a header, checked against the file that it stands in. */
export interface Header {
  readonly version: 2 | 3;
  /** Cluster size = 2^clusterBits. */
  readonly clusterBits: number;
  /** In bytes, as the guest sees it. */
  readonly size: number;
  readonly l1Offset: number;
  readonly backing: BackingName | undefined;
}

export interface BackingName {
  /** As it is written in the image: relative to the image's folder, unless it is absolute. */
  readonly path: string;
  /** `raw`, `qcow2`, …; undefined where the image does not say. */
  readonly format: string | undefined;
}

/** What a writer decides; version 3, refcounts of 16 bits. */
export interface HeaderFields {
  readonly clusterBits: number;
  readonly size: number;
  readonly l1Entries: number;
  readonly l1Offset: number;
  readonly refcountTableOffset: number;
  readonly refcountTableClusters: number;
  readonly backing: BackingName | undefined;
}

/** How many L1 entries a disk of `size` bytes needs. */
export function l1EntriesFor(size: number, clusterBits: number): number {
  const clusterSize = 2 ** clusterBits;
  return Math.ceil(size / (clusterSize * (clusterSize / ENTRY_SIZE)));
}

/** Header, extensions and backing name as they stand at the start of the file; padded to 8 bytes. */
export function encodeHeader(fields: HeaderFields): Buffer {
  const extensions = encodeExtensions(fields.backing?.format);
  const name = Buffer.from(fields.backing?.path ?? "");
  const bytes = Buffer.alloc(pad8(HEADER_SIZE_V3 + extensions.length + name.length));
  bytes.writeUInt32BE(MAGIC, FIELD.magic);
  bytes.writeUInt32BE(3, FIELD.version);
  if (fields.backing !== undefined) {
    const offset = HEADER_SIZE_V3 + extensions.length;
    writeU64(bytes, offset, FIELD.backingOffset);
    bytes.writeUInt32BE(name.length, FIELD.backingLength);
    name.copy(bytes, offset);
  }
  bytes.writeUInt32BE(fields.clusterBits, FIELD.clusterBits);
  writeU64(bytes, fields.size, FIELD.size);
  bytes.writeUInt32BE(fields.l1Entries, FIELD.l1Entries);
  writeU64(bytes, fields.l1Offset, FIELD.l1Offset);
  writeU64(bytes, fields.refcountTableOffset, FIELD.refcountTableOffset);
  bytes.writeUInt32BE(fields.refcountTableClusters, FIELD.refcountTableClusters);
  bytes.writeUInt32BE(4, FIELD.refcountOrder);
  bytes.writeUInt32BE(HEADER_SIZE_V3, FIELD.headerLength);
  extensions.copy(bytes, HEADER_SIZE_V3);
  return bytes;
}

function encodeExtensions(backingFormat: string | undefined): Buffer {
  const format = Buffer.from(backingFormat ?? "");
  const formatLength = format.length === 0 ? 0 : 8 + pad8(format.length);
  const bytes = Buffer.alloc(formatLength + 8);
  if (formatLength > 0) {
    bytes.writeUInt32BE(EXTENSION_BACKING_FORMAT, 0);
    bytes.writeUInt32BE(format.length, 4);
    format.copy(bytes, 8);
  }
  bytes.writeUInt32BE(EXTENSION_END, formatLength);
  return bytes;
}

/** Where a header comes from: for messages, and for the bounds of what it points to. */
export interface HeaderSource {
  readonly path: string;
  readonly fileSize: number;
}

/**
 * Reads the header from the first cluster (of which `bytes` may hold less, where the file is shorter).
 * What cannot be read faithfully is a CapstanError that names the reason.
 */
export function decodeHeader(bytes: Buffer, { path, fileSize }: HeaderSource): Header {
  const damaged = (what: string) => damagedError(path, what);
  if (bytes.length < HEADER_SIZE_V2) throw damaged("the file ends within the header");
  if (bytes.readUInt32BE(FIELD.magic) !== MAGIC) throw damaged("it does not begin with the qcow2 magic");
  const version = bytes.readUInt32BE(FIELD.version);
  if (version !== 2 && version !== 3) throw unsupportedError(path, `version ${version} of the format`);
  if (version === 3 && bytes.length < HEADER_SIZE_V3) throw damaged("the file ends within the header");

  const clusterBits = bytes.readUInt32BE(FIELD.clusterBits);
  if (clusterBits < MIN_CLUSTER_BITS || clusterBits > MAX_CLUSTER_BITS) {
    throw damaged(`its cluster size is 2^${clusterBits} bytes, and 2^9 to 2^21 are possible`);
  }
  const encryption = bytes.readUInt32BE(FIELD.encryption);
  if (encryption !== 0) throw unsupportedError(path, `encryption (${ENCRYPTIONS[encryption] ?? encryption})`);

  const clusterSize = 2 ** clusterBits;
  const headerLength = version === 2 ? HEADER_SIZE_V2 : bytes.readUInt32BE(FIELD.headerLength);
  if (headerLength % 8 !== 0 || headerLength < (version === 2 ? HEADER_SIZE_V2 : HEADER_SIZE_V3)) {
    throw damaged(`its header length is ${headerLength}`);
  }
  if (headerLength > Math.min(clusterSize, bytes.length)) throw damaged("the file ends within the header");
  if (version === 3) checkFeatures(bytes, { path, headerLength, clusterSize });
  return {
    version,
    clusterBits,
    ...decodeTables(bytes, { path, fileSize, clusterBits }),
    backing: decodeBacking(bytes, { path, headerLength, clusterSize }),
  };
}

function decodeTables(
  bytes: Buffer,
  { path, fileSize, clusterBits }: HeaderSource & { readonly clusterBits: number },
): Pick<Header, "size" | "l1Offset"> {
  const size = readU64(bytes, FIELD.size);
  const needed = l1EntriesFor(size, clusterBits);
  if (!Number.isSafeInteger(size) || needed * ENTRY_SIZE > MAX_L1_BYTES) {
    throw damagedError(path, `its disk size of ${size} bytes is more than the format can hold`);
  }
  const entries = bytes.readUInt32BE(FIELD.l1Entries);
  if (entries < needed) throw damagedError(path, `its L1 table has ${entries} entries, and the disk needs ${needed}`);
  const l1Offset = readU64(bytes, FIELD.l1Offset);
  if (needed > 0 && (l1Offset === 0 || l1Offset % 2 ** clusterBits !== 0)) {
    throw damagedError(path, `its L1 table is at the impossible offset ${l1Offset}`);
  }
  if (needed > 0 && l1Offset + needed * ENTRY_SIZE > fileSize) {
    throw damagedError(path, "its L1 table lies beyond the end of the file");
  }
  return { size, l1Offset };
}

interface HeaderPlace {
  readonly path: string;
  readonly headerLength: number;
  readonly clusterSize: number;
}

function checkFeatures(bytes: Buffer, place: HeaderPlace): void {
  const { path, headerLength } = place;
  const compression = headerLength > FIELD.compressionType ? bytes.readUInt8(FIELD.compressionType) : 0;
  for (let bit = 0; bit < 64; bit++) {
    const byte = bytes.readUInt8(FIELD.incompatibleFeatures + 7 - (bit >> 3));
    if ((byte & (1 << (bit & 7))) === 0) continue;
    switch (bit) {
      case INCOMPATIBLE.dirty:
        // Says that refcounts may be wrong, and a reader does not look at them.
        break;
      case INCOMPATIBLE.corrupt:
        throw new CapstanError(`${path} is marked as corrupt`, {
          code: "qcow2-corrupt",
          hint: `Try to repair it: qemu-img check -r all ${path}`,
        });
      case INCOMPATIBLE.externalData:
        throw unsupportedError(path, "an external data file");
      case INCOMPATIBLE.compressionType:
        throw unsupportedError(path, `the compression type ${COMPRESSIONS[compression] ?? compression}`);
      case INCOMPATIBLE.extendedL2:
        throw unsupportedError(path, "extended L2 entries (subclusters)");
      default:
        throw unsupportedError(path, `the incompatible feature ${featureName(bytes, place, bit)}`);
    }
  }
  if (compression !== 0) {
    throw damagedError(path, "it names a compression type without the feature bit that goes with it");
  }
}

/** What the image itself calls a feature that we do not know. */
function featureName(bytes: Buffer, place: HeaderPlace, bit: number): string {
  for (const { type, data } of extensions(bytes, place)) {
    if (type !== EXTENSION_FEATURE_NAMES) continue;
    for (let at = 0; at + FEATURE_NAME_SIZE <= data.length; at += FEATURE_NAME_SIZE) {
      if (data.readUInt8(at) !== 0 || data.readUInt8(at + 1) !== bit) continue;
      const name = data.toString("latin1", at + 2, at + FEATURE_NAME_SIZE).replace(/\0.*$/s, "");
      if (/^[ -~]+$/.test(name)) return `'${name}' (bit ${bit})`;
    }
  }
  return `of bit ${bit}`;
}

function decodeBacking(bytes: Buffer, place: HeaderPlace): BackingName | undefined {
  const { path, headerLength, clusterSize } = place;
  const offset = readU64(bytes, FIELD.backingOffset);
  if (offset === 0) return undefined;
  const length = bytes.readUInt32BE(FIELD.backingLength);
  if (length > MAX_BACKING_NAME) throw damagedError(path, `the name of its backing file has ${length} bytes`);
  if (offset < headerLength || offset + length > Math.min(clusterSize, bytes.length)) {
    throw damagedError(path, "the name of its backing file lies outside its first cluster");
  }
  if (length === 0) return undefined;
  const formats = [...extensions(bytes, place)].filter(({ type }) => type === EXTENSION_BACKING_FORMAT);
  return {
    path: decodeText(bytes.subarray(offset, offset + length), path, "the name of its backing file"),
    format: formats[0] && decodeText(formats[0].data, path, "the format of its backing file"),
  };
}

function* extensions(bytes: Buffer, { path, headerLength, clusterSize }: HeaderPlace) {
  const backingOffset = readU64(bytes, FIELD.backingOffset);
  const end = Math.min(clusterSize, bytes.length, backingOffset === 0 ? Number.POSITIVE_INFINITY : backingOffset);
  let at = headerLength;
  while (at + 8 <= end) {
    const type = bytes.readUInt32BE(at);
    const length = bytes.readUInt32BE(at + 4);
    if (type === EXTENSION_END) return;
    if (at + 8 + length > end) throw damagedError(path, "a header extension is longer than the room for it");
    yield { type, data: bytes.subarray(at + 8, at + 8 + length) };
    at += 8 + pad8(length);
  }
}

function decodeText(bytes: Buffer, path: string, what: string): string {
  const text = bytes.toString("utf8");
  if (text.includes("\0") || !Buffer.from(text).equals(bytes)) throw damagedError(path, `${what} is not text`);
  return text;
}

/** What an L2 entry says of its cluster. */
export type Cluster =
  | { readonly kind: "unallocated" }
  | { readonly kind: "zero" }
  | { readonly kind: "data"; readonly offset: number }
  /** `length` is an upper bound: the compressed stream ends somewhere within. */
  | { readonly kind: "compressed"; readonly offset: number; readonly length: number }
  | { readonly kind: "invalid"; readonly reason: string };

const UNALLOCATED: Cluster = { kind: "unallocated" };
const ZERO: Cluster = { kind: "zero" };

// An entry is handled as two halves of 32 bits, since the whole does not fit a JavaScript number.
const COPIED = 0x80000000;
const COMPRESSED = 0x40000000;
const RESERVED_HIGH = 0x3f000000;
const OFFSET_HIGH = 0x00ffffff;
const RESERVED_LOW = 0x000001fe;
const OFFSET_LOW = 0xfffffe00;
const ALL_ZERO = 1;

export function decodeL2Entry(table: Buffer, at: number, header: Pick<Header, "version" | "clusterBits">): Cluster {
  const high = table.readUInt32BE(at);
  const low = table.readUInt32BE(at + 4);
  if ((high & COMPRESSED) !== 0) return decodeCompressed(high, low, header.clusterBits);
  if ((high & RESERVED_HIGH) !== 0 || (low & RESERVED_LOW) !== 0) return invalid("reserved bits are set");
  const offset = joinOffset(high, low);
  if (offset % 2 ** header.clusterBits !== 0) return invalid(`the cluster offset ${offset} is not aligned`);
  if ((low & ALL_ZERO) !== 0) return header.version === 2 ? invalid("a zero cluster in version 2") : ZERO;
  return offset === 0 ? UNALLOCATED : { kind: "data", offset };
}

function decodeCompressed(high: number, low: number, clusterBits: number): Cluster {
  const offsetBits = 62 - (clusterBits - 8);
  const sectorsAbove = (high & 0x3fffffff) >>> (offsetBits - 32);
  const offset = (high & (2 ** (offsetBits - 32) - 1)) * 2 ** 32 + low;
  if (!Number.isSafeInteger(offset)) return invalid(`the compressed cluster is at the impossible offset ${offset}`);
  return { kind: "compressed", offset, length: (sectorsAbove + 1) * 512 - (offset % 512) };
}

/** The offset of an L2 table, 0 where there is none, or why the entry cannot be. */
export function decodeL1Entry(table: Buffer, at: number, clusterBits: number): number | string {
  const high = table.readUInt32BE(at);
  const low = table.readUInt32BE(at + 4);
  if ((high & ~COPIED & ~OFFSET_HIGH) !== 0 || (low & ~OFFSET_LOW) !== 0) return "reserved bits are set";
  const offset = joinOffset(high, low);
  return offset % 2 ** clusterBits === 0 ? offset : `the offset ${offset} is not aligned`;
}

/** An entry of the L1 table, or of an L2 table for plain data; "copied" as both are when every refcount is 1. */
export function encodeCopiedEntry(table: Buffer, at: number, offset: number): void {
  writeU64(table, offset, at);
  table.writeUInt8(table.readUInt8(at) | 0x80, at);
}

/** The low bits are the place in the file, the high ones how many sectors of 512 bytes it reaches over beyond the first. */
export function encodeCompressedEntry(
  table: Buffer,
  at: number,
  { offset, length, clusterBits }: { readonly offset: number; readonly length: number; readonly clusterBits: number },
): void {
  const sectors = Math.floor(((offset % 512) + length - 1) / 512);
  const shift = BigInt(62 - (clusterBits - 8));
  table.writeBigUInt64BE((1n << 62n) | (BigInt(sectors) << shift) | BigInt(offset), at);
}

export function encodeZeroEntry(table: Buffer, at: number): void {
  writeU64(table, ALL_ZERO, at);
}

function joinOffset(high: number, low: number): number {
  return (high & OFFSET_HIGH) * 2 ** 32 + ((low & OFFSET_LOW) >>> 0);
}

function invalid(reason: string): Cluster {
  return { kind: "invalid", reason };
}

export function writeU64(bytes: Buffer, value: number, at: number): void {
  bytes.writeUInt32BE(Math.floor(value / 2 ** 32), at);
  bytes.writeUInt32BE(value % 2 ** 32, at + 4);
}

/** Exact below 2^53; what is above stays above. */
function readU64(bytes: Buffer, at: number): number {
  return bytes.readUInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4);
}

function pad8(length: number): number {
  return Math.ceil(length / 8) * 8;
}

export function damagedError(path: string, what: string): CapstanError {
  return new CapstanError(`${path} is damaged: ${what}`, {
    code: "qcow2-damaged",
    hint: `Look at it with 'qemu-img check ${path}', or get the image again.`,
  });
}

export function unsupportedError(path: string, what: string): CapstanError {
  return new CapstanError(`${path} uses ${what}, which is not supported`, {
    code: "qcow2-unsupported",
    hint: `Convert it with: qemu-img convert -O qcow2 -o compat=1.1 ${path} converted.qcow2`,
  });
}

/** The header, its extensions and the backing name are looked for in this much of the file. */
export const HEADER_READ_SIZE = 64 * KiB;
