import { CapstanError } from "../../../support/errors.ts";
import { decodeName } from "../../../support/name-bytes.ts";
import { quotePath } from "../../names.ts";
import { putU64 } from "../integers.ts";
import {
  FAT_ZAP_BLOCK_SHIFT,
  FAT_ZAP_MAGIC,
  FatZapField,
  ZAP_ARRAY_BYTES,
  ZAP_CHAIN_END,
  ZAP_CHUNK_COUNT,
  ZAP_CHUNK_SIZE,
  ZAP_CHUNKS_OFFSET,
  ZAP_LEAF_MAGIC,
  ZapBlock,
  ZapChunk,
  ZapLeafField,
} from "../layout.ts";
import { ZAP_HASH_BITS, zapHasher, zapLeafIndex } from "../zap-hash.ts";
import type { ZapContent, ZapEntry, ZapValue } from "./zap.ts";

const BLOCK_SIZE = 1 << FAT_ZAP_BLOCK_SHIFT;
/** Bits of the pointer table in the header block: its second half. */
const EMBEDDED_SHIFT = FAT_ZAP_BLOCK_SHIFT - 4;
/** Bits of a block full of pointers. */
const TABLE_BLOCK_SHIFT = FAT_ZAP_BLOCK_SHIFT - 3;
/** Ours: a pointer table of 8 MiB. Names get so far only when they were chosen to collide, or when there are 10^8 of them. */
const MAX_PREFIX = 20;
/** How full a leaf may be when there are others, so that the kernel can add some names before it has to split it. */
const SHARED_LEAF_CHUNKS = Math.floor(ZAP_CHUNK_COUNT * 0.75);

export interface FatZap {
  readonly blockCount: number;
  /** Header, pointer table, leaves; each 16 KiB, and only valid until the next one. */
  blocks(): Generator<Buffer, void, undefined>;
}

/**
 * Lays a fat ZAP out: leaves are split by the bits of the hash until all entries of each fit.
 * Error: CapstanError `names-collide` when they never do.
 */
export function planFatZap(content: ZapContent): FatZap {
  const sorted = sortByHash(content);
  const leaves: Leaf[] = [];
  const limit = countChunks(sorted, 0, sorted.length) <= ZAP_CHUNK_COUNT ? ZAP_CHUNK_COUNT : SHARED_LEAF_CHUNKS;
  splitLeaves(sorted, { leaves, limit, start: 0, end: sorted.length, prefix: 0, prefixLength: 0 });
  const longest = leaves.reduce((length, leaf) => Math.max(length, leaf.prefixLength), 0);
  const shift = longest <= EMBEDDED_SHIFT ? EMBEDDED_SHIFT : Math.max(longest, TABLE_BLOCK_SHIFT);
  const tableBlocks = longest <= EMBEDDED_SHIFT ? 0 : 2 ** (shift - TABLE_BLOCK_SHIFT);
  const layout = { content, sorted, leaves, shift, tableBlocks };
  return { blockCount: 1 + tableBlocks + leaves.length, blocks: () => encodeBlocks(layout) };
}

interface Hashed {
  readonly entry: ZapEntry;
  readonly hash: number;
  readonly chunks: number;
}

interface Leaf {
  readonly prefix: number;
  readonly prefixLength: number;
  /** Of the sorted entries. */
  readonly start: number;
  readonly end: number;
}

function sortByHash({ entries, salt, normFlags = 0 }: ZapContent): Hashed[] {
  if (normFlags !== 0) throw new TypeError("a fat ZAP with normalised names");
  const hash = zapHasher(salt);
  return entries
    .map((entry) => ({ entry, hash: hash(entry.name), chunks: chunksOf(entry) }))
    .sort((a, b) => a.hash - b.hash);
}

function chunksOf({ name, value }: ZapEntry): number {
  return 1 + Math.ceil((name.length + 1) / ZAP_ARRAY_BYTES) + Math.ceil(valueSize(value) / ZAP_ARRAY_BYTES);
}

function valueSize(value: ZapValue): number {
  if (typeof value === "string") return Buffer.byteLength(value) + 1;
  return typeof value === "object" ? 2 * value.length : 8;
}

function splitLeaves(
  sorted: readonly Hashed[],
  { leaves, limit, ...leaf }: Leaf & { readonly leaves: Leaf[]; readonly limit: number },
): void {
  const { start, end, prefix, prefixLength } = leaf;
  if (countChunks(sorted, start, end) <= limit) {
    leaves.push(leaf);
    return;
  }
  if (prefixLength === MAX_PREFIX) throw collision(sorted, leaf);
  const border = (2 * prefix + 1) * 2 ** (ZAP_HASH_BITS - prefixLength - 1);
  const middle = firstFrom(sorted, { hash: border, start, end });
  const common = { leaves, limit, prefixLength: prefixLength + 1 };
  splitLeaves(sorted, { ...common, start, end: middle, prefix: 2 * prefix });
  splitLeaves(sorted, { ...common, start: middle, end, prefix: 2 * prefix + 1 });
}

function countChunks(sorted: readonly Hashed[], start: number, end: number): number {
  // Every entry takes three at least.
  if (end - start > ZAP_CHUNK_COUNT) return Number.POSITIVE_INFINITY;
  let chunks = 0;
  for (let index = start; index < end; index++) chunks += sorted[index]?.chunks ?? 0;
  return chunks;
}

/** The first index of an entry with this hash or a greater one. */
function firstFrom(sorted: readonly Hashed[], range: { hash: number; start: number; end: number }): number {
  let { start, end } = range;
  while (start < end) {
    const middle = (start + end) >>> 1;
    if ((sorted[middle]?.hash ?? 0) < range.hash) start = middle + 1;
    else end = middle;
  }
  return start;
}

function collision(sorted: readonly Hashed[], { start, end }: Leaf): CapstanError {
  const example = quotePath(decodeName(sorted[start]?.entry.name ?? new Uint8Array()));
  return new CapstanError(
    `${end - start} names of one directory have almost the same checksum, which ZFS cannot store: ${example} and others`,
    { code: "names-collide", hint: "Rename some of them, or put them into several directories." },
  );
}

interface Layout {
  readonly content: ZapContent;
  readonly sorted: readonly Hashed[];
  readonly leaves: readonly Leaf[];
  readonly shift: number;
  readonly tableBlocks: number;
}

function* encodeBlocks(layout: Layout): Generator<Buffer, void, undefined> {
  const { sorted, leaves, tableBlocks } = layout;
  const table = pointerTable(layout);
  yield encodeHeader(layout, table);
  for (let index = 0; index < tableBlocks; index++) {
    yield table.subarray(index * BLOCK_SIZE, (index + 1) * BLOCK_SIZE);
  }
  const block = Buffer.alloc(BLOCK_SIZE);
  for (const leaf of leaves) {
    encodeLeaf(block, sorted, leaf);
    yield block;
  }
}

/** 2^shift u64: the block of the leaf of each prefix. */
function pointerTable({ leaves, shift, tableBlocks }: Layout): Buffer {
  const table = Buffer.alloc(8 * 2 ** shift);
  let at = 0;
  for (const [index, { prefixLength }] of leaves.entries()) {
    for (let slots = 2 ** (shift - prefixLength); slots > 0; slots--) {
      putU64(table, 1 + tableBlocks + index, at);
      at += 8;
    }
  }
  return table;
}

function encodeHeader({ content, sorted, leaves, shift, tableBlocks }: Layout, table: Buffer): Buffer {
  const block = Buffer.alloc(BLOCK_SIZE);
  block.writeBigUInt64LE(ZapBlock.header, 0);
  block.writeBigUInt64LE(FAT_ZAP_MAGIC, FatZapField.magic);
  putU64(block, tableBlocks === 0 ? 0 : 1, FatZapField.tableBlock);
  putU64(block, tableBlocks, FatZapField.tableBlocks);
  putU64(block, shift, FatZapField.tableShift);
  putU64(block, 1 + tableBlocks + leaves.length, FatZapField.freeBlock);
  putU64(block, leaves.length, FatZapField.leafCount);
  putU64(block, sorted.length, FatZapField.entryCount);
  block.writeBigUInt64LE(content.salt, FatZapField.salt);
  if (tableBlocks === 0) block.set(table, BLOCK_SIZE / 2);
  return block;
}

function encodeLeaf(block: Buffer, sorted: readonly Hashed[], { prefix, prefixLength, start, end }: Leaf): void {
  block.fill(0);
  block.writeBigUInt64LE(ZapBlock.leaf, 0);
  putU64(block, prefix, ZapLeafField.prefix);
  block.writeUInt32LE(ZAP_LEAF_MAGIC, ZapLeafField.magic);
  block.writeUInt16LE(end - start, ZapLeafField.entryCount);
  block.writeUInt16LE(prefixLength, ZapLeafField.prefixLength);
  block.fill(0xff, ZapLeafField.hashTable, ZAP_CHUNKS_OFFSET);
  const chunks = new ChunkWriter(block);
  let [hash, differentiator] = [-1, 0];
  // From the last to the first, each to the head of its chain: chains are in the order of hash and differentiator.
  for (let index = end - 1; index >= start; index--) {
    const item = sorted[index];
    if (item === undefined) continue;
    if (item.hash !== hash) {
      hash = item.hash;
      differentiator = sameHashBefore(sorted, index, start);
    } else differentiator--;
    chunks.entry(item, differentiator, ZapLeafField.hashTable + 2 * zapLeafIndex(hash, prefixLength));
  }
  chunks.finish();
}

function sameHashBefore(sorted: readonly Hashed[], index: number, start: number): number {
  let count = 0;
  while (index - count > start && sorted[index - count - 1]?.hash === sorted[index]?.hash) count++;
  return count;
}

/** Fills the chunks of a leaf in order. */
class ChunkWriter {
  readonly #block: Buffer;
  #next = 0;

  constructor(block: Buffer) {
    this.#block = block;
  }

  /** `chain`: where in the block the head of its chain stands. */
  entry({ entry: { name, value }, hash }: Hashed, differentiator: number, chain: number): void {
    const block = this.#block;
    const number = this.#next++;
    const at = chunkOffset(number);
    const nameChunk = this.#array(Buffer.concat([name, NUL]));
    const valueChunk = this.#array(encodeValue(value));
    const { integerSize, count } = valueShape(value);
    block[at] = ZapChunk.entry;
    block[at + 1] = integerSize;
    block.writeUInt16LE(block.readUInt16LE(chain), at + 2);
    block.writeUInt16LE(nameChunk, at + 4);
    block.writeUInt16LE(name.length + 1, at + 6);
    block.writeUInt16LE(valueChunk, at + 8);
    block.writeUInt16LE(count, at + 10);
    block.writeUInt32LE(differentiator, at + 12);
    // The 28 bits of the hash are the upper ones of a u64.
    block.writeUInt32LE(hash * 2 ** (32 - ZAP_HASH_BITS), at + 20);
    block.writeUInt16LE(number, chain);
  }

  /** Makes a list of the chunks that are left. */
  finish(): void {
    const block = this.#block;
    const first = this.#next;
    block.writeUInt16LE(ZAP_CHUNK_COUNT - first, ZapLeafField.freeChunks);
    block.writeUInt16LE(first < ZAP_CHUNK_COUNT ? first : ZAP_CHAIN_END, ZapLeafField.freeList);
    for (let number = first; number < ZAP_CHUNK_COUNT; number++) {
      const at = chunkOffset(number);
      block[at] = ZapChunk.free;
      block.writeUInt16LE(number + 1 < ZAP_CHUNK_COUNT ? number + 1 : ZAP_CHAIN_END, at + 22);
    }
  }

  /** The number of the first of its chunks. */
  #array(bytes: Uint8Array): number {
    const first = this.#next;
    for (let done = 0; done < bytes.length; done += ZAP_ARRAY_BYTES) {
      const at = chunkOffset(this.#next++);
      const part = bytes.subarray(done, done + ZAP_ARRAY_BYTES);
      this.#block[at] = ZapChunk.array;
      this.#block.set(part, at + 1);
      const isLast = done + part.length === bytes.length;
      this.#block.writeUInt16LE(isLast ? ZAP_CHAIN_END : this.#next, at + 22);
    }
    return first;
  }
}

const NUL = Buffer.alloc(1);

function chunkOffset(number: number): number {
  return ZAP_CHUNKS_OFFSET + number * ZAP_CHUNK_SIZE;
}

/** Integers are big-endian here. */
function encodeValue(value: ZapValue): Buffer {
  if (typeof value === "string") return Buffer.from(`${value}\0`);
  const bytes = Buffer.alloc(valueSize(value));
  if (typeof value === "object") for (const [index, number] of value.entries()) bytes.writeUInt16BE(number, 2 * index);
  else bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

function valueShape(value: ZapValue): { integerSize: number; count: number } {
  if (typeof value === "string") return { integerSize: 1, count: valueSize(value) };
  return typeof value === "object" ? { integerSize: 2, count: value.length } : { integerSize: 8, count: 1 };
}
