import { ZAP_ARRAY_BYTES, ZAP_CHAIN_END, ZAP_CHUNK_SIZE, ZapChunk, ZapLeafField } from "../layout.ts";
import type { ZfsObject } from "../read/object.ts";
import {
  type FatHeader,
  fatLeaves,
  leafEntries,
  leafGeometry,
  readZap,
  readZapHeader,
  type ZapHeader,
} from "../read/zap.ts";
import { ZAP_HASH_BITS, zapHasher, zapLeafIndex } from "../zap-hash.ts";
import type { Problems } from "./problems.ts";

/** Whether a kernel finds every name of a ZAP where its hash says, and has the free chunks that it counts on. */
export function checkZap(object: ZfsObject, problems: Problems): void {
  problems.guard(() => {
    const header = readZapHeader(object);
    if (header.salt === 0n) problems.add(`${object.what} has no salt`);
    if (header.fat !== undefined) checkFat(object, header, { fat: header.fat, problems });
    // Names are hashed in another form there, which depends on the kernel's tables of Unicode.
    else if (header.normFlags === 0n) checkMicro(object, header, problems);
  });
}

/** The kernel puts micro entries into a tree by hash and differentiator: of two that are equal, one is lost. */
function checkMicro(object: ZfsObject, { salt }: ZapHeader, problems: Problems): void {
  const hash = zapHasher(salt);
  const seen = new Set<number>();
  for (const { name, differentiator } of readZap(object)) {
    const key = hash(name) + differentiator * 2 ** ZAP_HASH_BITS;
    if (seen.has(key)) problems.add(`${object.what} has two names of one hash without telling them apart`);
    seen.add(key);
  }
}

function checkFat(
  object: ZfsObject,
  header: ZapHeader,
  { fat, problems }: { fat: FatHeader; problems: Problems },
): void {
  const block = object.block(0);
  if (block === undefined) return;
  const hash = zapHasher(header.salt);
  const seen = new Set<number>();
  let count = 0;
  for (const { block: leaf, slot, slots } of fatLeaves(object, block, fat)) {
    const length = leaf.readUInt16LE(ZapLeafField.prefixLength);
    const prefix = Number(leaf.readBigUInt64LE(ZapLeafField.prefix));
    if (length > fat.tableShift || slots !== 2 ** (fat.tableShift - length) || slot !== prefix * slots) {
      problems.add(`a leaf of ${object.what} has the prefix ${prefix} of ${length} bits, not what leads to it`);
      continue;
    }
    checkChunks(object, leaf, problems);
    for (const entry of leafEntries(object, leaf)) {
      count++;
      const found = entry.hash ?? 0;
      if (header.normFlags === 0n && hash(entry.name) !== found)
        problems.add(`a name of ${object.what} has a wrong hash`);
      if (length > 0 && found >>> (ZAP_HASH_BITS - length) !== prefix) {
        problems.add(`a name of ${object.what} is in a wrong leaf`);
      }
      if (!isInChain(leaf, zapLeafIndex(found, length), entry.name)) {
        problems.add(`a name of ${object.what} is in a wrong chain`);
      }
      const key = found + entry.differentiator * 2 ** ZAP_HASH_BITS;
      if (seen.has(key)) problems.add(`${object.what} has two names of one hash without telling them apart`);
      seen.add(key);
    }
  }
  problems.same(fat.entryCount, count, `${object.what} says how many entries it has`);
  if ((fat.freeBlock - 1) * block.length >= object.size) problems.add(`${object.what} has fewer blocks than it says`);
}

/** Each chunk is free, or part of an entry: as many of each as the header of the leaf says. */
function checkChunks(object: ZfsObject, leaf: Buffer, problems: Problems): void {
  const { chunksAt, chunkCount } = leafGeometry(leaf);
  let [entries, used] = [0, 0];
  for (const { name, value } of leafEntries(object, leaf)) {
    entries++;
    used += 1 + Math.ceil((name.length + 1) / ZAP_ARRAY_BYTES) + Math.ceil(value.length / ZAP_ARRAY_BYTES);
  }
  problems.same(leaf.readUInt16LE(ZapLeafField.entryCount), entries, `a leaf of ${object.what} counts its entries`);
  const free = leaf.readUInt16LE(ZapLeafField.freeChunks);
  problems.same(free, chunkCount - used, `a leaf of ${object.what} counts its free chunks`);
  let chained = 0;
  let chunk = leaf.readUInt16LE(ZapLeafField.freeList);
  while (chunk < chunkCount && leaf[chunksAt + chunk * ZAP_CHUNK_SIZE] === ZapChunk.free && chained < chunkCount) {
    chained++;
    chunk = leaf.readUInt16LE(chunksAt + chunk * ZAP_CHUNK_SIZE + 1 + ZAP_ARRAY_BYTES);
  }
  if (chunk !== ZAP_CHAIN_END) problems.add(`the free chunks of a leaf of ${object.what} are no chain`);
  problems.same(chained, free, `a leaf of ${object.what} chains its free chunks`);
}

function isInChain(leaf: Buffer, index: number, name: Buffer): boolean {
  const { chunksAt, chunkCount } = leafGeometry(leaf);
  let chunk = leaf.readUInt16LE(ZapLeafField.hashTable + 2 * index);
  for (let steps = 0; chunk < chunkCount && steps < chunkCount; steps++) {
    const at = chunksAt + chunk * ZAP_CHUNK_SIZE;
    const nameAt = chunksAt + leaf.readUInt16LE(at + 4) * ZAP_CHUNK_SIZE + 1;
    const start = name.subarray(0, ZAP_ARRAY_BYTES);
    // The rest of a longer name is left to the hash, which has been compared.
    if (leaf.readUInt16LE(at + 6) === name.length + 1 && leaf.subarray(nameAt, nameAt + start.length).equals(start)) {
      return true;
    }
    chunk = leaf.readUInt16LE(at + 2);
  }
  return false;
}
