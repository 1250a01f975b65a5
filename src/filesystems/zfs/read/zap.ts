import { corrupt, unsupported } from "../errors.ts";
import { getU64 } from "../integers.ts";
import {
  FAT_ZAP_MAGIC,
  FatZapField,
  MICRO_ZAP_ENTRY_SIZE,
  MICRO_ZAP_HEADER_SIZE,
  MICRO_ZAP_NAME_OFFSET,
  ZAP_ARRAY_BYTES,
  ZAP_CHAIN_END,
  ZAP_CHUNK_SIZE,
  ZAP_LEAF_MAGIC,
  ZapBlock,
  ZapChunk,
  ZapLeafField,
} from "../layout.ts";
import type { ZfsObject } from "./object.ts";

/** An entry of a ZAP. */
export interface ZapEntry {
  /** Without the NUL. */
  readonly name: Buffer;
  /** The size of the integers of the value: 1, 2, 4 or 8 bytes. */
  readonly integerSize: number;
  /** The integers, each big-endian. */
  readonly value: Buffer;
  /** Tells apart names with the same hash. */
  readonly differentiator: number;
  /** The upper 28 bits of the hash, where the ZAP holds it. */
  readonly hash: number | undefined;
}

/** What the header says. */
export interface ZapHeader {
  readonly kind: "micro" | "fat";
  readonly salt: bigint;
  readonly normFlags: bigint;
  /** Of a fat ZAP. */
  readonly fat?: FatHeader;
}

/** All the entries, in the order in which they lie there. Errors: CapstanError `bad-zfs`, `zfs-feature`. */
export function* readZap(object: ZfsObject): Generator<ZapEntry, void, undefined> {
  const header = readZapHeader(object);
  const block = object.block(0) ?? corrupt(`${object.what} has no header`);
  if (header.fat === undefined) yield* microEntries(block);
  else yield* fatEntries(object, block, header.fat);
}

export function readZapHeader(object: ZfsObject): ZapHeader {
  const block = object.block(0) ?? corrupt(`${object.what} has no header`);
  const kind = block.readBigUInt64LE(0);
  if (kind === ZapBlock.micro) {
    return { kind: "micro", salt: block.readBigUInt64LE(8), normFlags: block.readBigUInt64LE(16) };
  }
  if (kind !== ZapBlock.header || block.length < MIN_FAT_BLOCK || block.readBigUInt64LE(8) !== FAT_ZAP_MAGIC) {
    return corrupt(`${object.what} is no ZAP`);
  }
  if (block.readBigUInt64LE(FatZapField.flags) !== 0n) unsupported(`the keys of ${object.what} are numbers`);
  return {
    kind: "fat",
    salt: block.readBigUInt64LE(FatZapField.salt),
    normFlags: block.readBigUInt64LE(FatZapField.normFlags),
    fat: readFatHeader(object, block),
  };
}

/** The value of an entry that is one u64, as a number; undefined for any other, and beyond 2^53. */
export function zapNumber(entry: ZapEntry | undefined): number | undefined {
  if (entry?.integerSize !== 8 || entry.value.length !== 8) return undefined;
  const value = entry.value.readBigUInt64BE();
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : undefined;
}

/** All entries with a single number, by name. */
export function readZapNumbers(object: ZfsObject): Map<string, number> {
  const numbers = new Map<string, number>();
  for (const entry of readZap(object)) {
    const value = zapNumber(entry);
    if (value !== undefined) numbers.set(entry.name.toString("utf8"), value);
  }
  return numbers;
}

export interface FatHeader {
  readonly blockShift: number;
  /** Block of the pointer table; 0 when it is in the header. */
  readonly tableBlock: number;
  readonly tableBlocks: number;
  /** The table has 2^tableShift pointers. */
  readonly tableShift: number;
  readonly freeBlock: number;
  readonly leafCount: number;
  readonly entryCount: number;
}

/** A leaf needs room for its hash table and chunks; kernels make blocks of 16 KiB. */
const MIN_FAT_BLOCK = 4096;
/** Pointers of a table: room for 2^20 leaves with hundreds of entries each. */
const MAX_TABLE_SHIFT = 24;

function* microEntries(block: Buffer): Generator<ZapEntry, void, undefined> {
  for (let at = MICRO_ZAP_HEADER_SIZE; at + MICRO_ZAP_ENTRY_SIZE <= block.length; at += MICRO_ZAP_ENTRY_SIZE) {
    const start = at + MICRO_ZAP_NAME_OFFSET;
    if (block[start] === 0) continue;
    const end = block.indexOf(0, start);
    if (end < 0 || end >= at + MICRO_ZAP_ENTRY_SIZE) corrupt("a name in a directory of objects has no end");
    yield {
      name: Buffer.from(block.subarray(start, end)),
      integerSize: 8,
      value: Buffer.from(block.subarray(at, at + 8)).swap64(),
      differentiator: block.readUInt32LE(at + 8),
      hash: undefined,
    };
  }
}

function readFatHeader(object: ZfsObject, block: Buffer): FatHeader {
  const field = (at: number): number => getU64(block, at) ?? corrupt(`a number of ${object.what} is beyond any disk`);
  const blockShift = 31 - Math.clz32(block.length);
  const header = {
    blockShift,
    tableBlock: field(FatZapField.tableBlock),
    tableBlocks: field(FatZapField.tableBlocks),
    tableShift: field(FatZapField.tableShift),
    freeBlock: field(FatZapField.freeBlock),
    leafCount: field(FatZapField.leafCount),
    entryCount: field(FatZapField.entryCount),
  };
  const room = header.tableBlocks === 0 ? block.length / 16 : header.tableBlocks * (block.length / 8);
  if (2 ** blockShift !== block.length || header.tableShift > MAX_TABLE_SHIFT || 2 ** header.tableShift !== room) {
    corrupt(`the pointer table of ${object.what} has a wrong size`);
  }
  return header;
}

function* fatEntries(object: ZfsObject, block: Buffer, header: FatHeader): Generator<ZapEntry, void, undefined> {
  let count = 0;
  for (const { block: leaf } of fatLeaves(object, block, header)) {
    for (const entry of leafEntries(object, leaf)) {
      count++;
      yield entry;
    }
  }
  if (count !== header.entryCount) corrupt(`${object.what} has ${count} entries, and says ${header.entryCount}`);
}

/** Each leaf once, in the order of the pointer table, with the first slot that points to it and how many do. */
export function* fatLeaves(
  object: ZfsObject,
  block: Buffer,
  header: FatHeader,
): Generator<{ block: Buffer; slot: number; slots: number }, void, undefined> {
  const seen = new Set<number>();
  const slotCount = 2 ** header.tableShift;
  const pointers = readTable(object, block, header);
  for (let slot = 0; slot < slotCount; ) {
    const number = getU64(pointers, 8 * slot) ?? 0;
    let end = slot + 1;
    while (end < slotCount && getU64(pointers, 8 * end) === number) end++;
    if (seen.has(number)) corrupt(`the pointer table of ${object.what} names a leaf in two places`);
    seen.add(number);
    const leaf = object.block(number);
    if (number === 0 || leaf === undefined) return corrupt(`a leaf of ${object.what} is missing`);
    yield { block: checkLeaf(object, leaf, slot >>> 0), slot, slots: end - slot };
    slot = end;
  }
  if (seen.size !== header.leafCount) {
    corrupt(`${object.what} has ${seen.size} leaves, and says ${header.leafCount}`);
  }
}

function readTable(object: ZfsObject, block: Buffer, header: FatHeader): Buffer {
  if (header.tableBlocks === 0) return block.subarray(block.length / 2);
  const pointers = Buffer.alloc(header.tableBlocks * block.length);
  if ((header.tableBlock + header.tableBlocks) * block.length > object.size) {
    corrupt(`the pointer table of ${object.what} is missing`);
  }
  object.read(pointers, header.tableBlock * block.length);
  return pointers;
}

function checkLeaf(object: ZfsObject, leaf: Buffer, slot: number): Buffer {
  if (leaf.readBigUInt64LE(0) === ZapBlock.leaf && leaf.readUInt32LE(ZapLeafField.magic) === ZAP_LEAF_MAGIC) {
    return leaf;
  }
  return corrupt(`leaf ${slot} of ${object.what} is damaged`);
}

/** The numbers of a leaf follow from its size (zap_leaf.h: ZAP_LEAF_HASH_SHIFT, ZAP_LEAF_NUMCHUNKS). */
export function leafGeometry(leaf: Buffer): { hashSize: number; chunksAt: number; chunkCount: number } {
  const hashSize = leaf.length / 32;
  const chunksAt = ZapLeafField.hashTable + 2 * hashSize;
  return { hashSize, chunksAt, chunkCount: Math.floor((leaf.length - 2 * hashSize) / ZAP_CHUNK_SIZE) - 2 };
}

/** Those that the hash table leads to: the ones that a kernel finds. */
export function* leafEntries(object: ZfsObject, leaf: Buffer): Generator<ZapEntry, void, undefined> {
  const { hashSize, chunksAt, chunkCount } = leafGeometry(leaf);
  let count = 0;
  for (let index = 0; index < hashSize; index++) {
    let chunk = leaf.readUInt16LE(ZapLeafField.hashTable + 2 * index);
    while (chunk !== ZAP_CHAIN_END) {
      const at = chunksAt + chunk * ZAP_CHUNK_SIZE;
      // No more entries than chunks: so a chain that runs in a circle ends.
      if (chunk >= chunkCount || leaf[at] !== ZapChunk.entry || ++count > chunkCount) {
        corrupt(`an entry of ${object.what} is damaged`);
      }
      const nameLength = leaf.readUInt16LE(at + 6);
      const integerSize = leaf.readUInt8(at + 1);
      if (nameLength === 0 || !INTEGER_SIZES.has(integerSize)) corrupt(`an entry of ${object.what} is damaged`);
      const read = (first: number, length: number): Buffer =>
        readArray(leaf, first, length) ?? corrupt(`an entry of ${object.what} is cut off`);
      yield {
        name: read(leaf.readUInt16LE(at + 4), nameLength).subarray(0, -1),
        integerSize,
        value: read(leaf.readUInt16LE(at + 8), integerSize * leaf.readUInt16LE(at + 10)),
        differentiator: leaf.readUInt32LE(at + 12),
        hash: leaf.readUInt32LE(at + 20) >>> 4,
      };
      chunk = leaf.readUInt16LE(at + 2);
    }
  }
}

const INTEGER_SIZES: ReadonlySet<number> = new Set([1, 2, 4, 8]);

/** The bytes in a chain of array chunks. */
function readArray(leaf: Buffer, first: number, length: number): Buffer | undefined {
  const { chunksAt, chunkCount } = leafGeometry(leaf);
  if (length > chunkCount * ZAP_ARRAY_BYTES) return undefined;
  const bytes = Buffer.alloc(length);
  let chunk = first;
  for (let done = 0; done < length; done += ZAP_ARRAY_BYTES) {
    const at = chunksAt + chunk * ZAP_CHUNK_SIZE;
    if (chunk >= chunkCount || leaf[at] !== ZapChunk.array) return undefined;
    leaf.copy(bytes, done, at + 1, at + 1 + Math.min(ZAP_ARRAY_BYTES, length - done));
    chunk = leaf.readUInt16LE(at + 1 + ZAP_ARRAY_BYTES);
  }
  return bytes;
}
