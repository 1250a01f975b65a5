import { roundUp } from "../../../support/bytes.ts";
import type { NewBlockPointer } from "../block-pointer.ts";
import type { VdevGeometry } from "../geometry.ts";
import { putU64 } from "../integers.ts";
import {
  DNODE_BLOCK_SIZE,
  INDIRECT_BLOCK_SIZE,
  OBJSET_SIZE,
  ObjectType,
  ObjsetType,
  POINTERS_PER_INDIRECT,
  SECTOR_SIZE,
  SPACE_MAP_BLOCK_SIZE,
  SPACE_MAP_BONUS_SIZE,
  SPACE_MAP_MAX_RUN,
} from "../layout.ts";
import { Allocator } from "./allocator.ts";
import { levelsFor } from "./block-tree.ts";
import type { Mos, MosObject } from "./mos.ts";
import { DNODES_PER_BLOCK, encodeDnode, writeDnodes, writeObjset } from "./objset.ts";
import type { Usage } from "./output.ts";

export interface MosEndOptions {
  readonly mos: Mos;
  readonly geometry: VdevGeometry;
  readonly allocator: Allocator;
  /** The object with the numbers of the space maps. */
  readonly metaslabs: MosObject;
  /** Told what the whole MOS takes, before its dnodes are written. */
  readonly onUsage: (usage: Usage) => void;
}

/**
 * Writes the space maps, and then the dnodes of the MOS. The maps describe also the blocks they lie in and those that
 * come after them; nothing of these is compressed, so that all their sizes are known before.
 */
export function writeMosEnd(options: MosEndOptions): NewBlockPointer {
  const { mos, geometry, allocator, metaslabs, onUsage } = options;
  const arraySize = roundUp(8 * geometry.metaslabCount, SECTOR_SIZE);
  const mapSize = spaceMapSize(geometry);
  const { runs, bytes } = foresee({ ...options, arraySize, mapSize });
  const maps = runs.map(() =>
    mos.add({ type: ObjectType.spaceMap, bonusType: ObjectType.spaceMapHeader, bonusSize: SPACE_MAP_BONUS_SIZE }),
  );
  onUsage(added(mos.usage, bytes));
  const array = Buffer.alloc(arraySize);
  for (const [index, map] of maps.entries()) putU64(array, map.number, 8 * index);
  mos.fillBlock(metaslabs, array, { size: arraySize, plain: true });
  for (const [index, map] of maps.entries()) {
    const run = runs[index] ?? 0;
    const entries = encodeRun(run);
    putU64(map.bonus, map.number, 0);
    putU64(map.bonus, entries.length, 8);
    putU64(map.bonus, run, 16);
    mos.fillBlock(map, entries, { size: mapSize, plain: true });
  }
  const { usage } = mos;
  const dnodes = writeDnodes(mos.output, {
    ...{ count: mos.objects.length + 1, levels: levelsFor(dnodeBlocks(mos.objects.length), 3), usage, plain: true },
    encode: (number, target, at) => {
      const object = mos.objects[number - 1];
      if (object === undefined) return false;
      encodeDnode(target, object, at);
      return true;
    },
  });
  const { pointer } = writeObjset(mos.output, { type: ObjsetType.meta, flags: 0, dnodes, usage });
  if (allocator.runs.join() !== runs.join()) throw new TypeError("the space maps do not say what is in use");
  return pointer;
}

interface Foreseen {
  readonly arraySize: number;
  readonly mapSize: number;
}

/** What will be in use of each metaslab, and what of it is still to be written. Each map may need one more map. */
function foresee(options: MosEndOptions & Foreseen): { readonly runs: readonly number[]; readonly bytes: number } {
  const { mos, geometry, allocator, arraySize, mapSize } = options;
  for (let count = allocator.runs.length; ; ) {
    const trial = new Allocator(geometry, allocator);
    const blocks = dnodeBlocks(mos.objects.length + count);
    if (blocks > POINTERS_PER_INDIRECT) throw new RangeError("more metaslabs than a pool is made with");
    const sizes = [arraySize, ...new Array<number>(count).fill(mapSize)];
    sizes.push(...new Array<number>(blocks).fill(DNODE_BLOCK_SIZE));
    if (levelsFor(blocks, 3) > 1) sizes.push(INDIRECT_BLOCK_SIZE);
    sizes.push(OBJSET_SIZE);
    // A full pool shows when they are written.
    for (const size of sizes) if (trial.allocate(size) === undefined) break;
    const { runs } = trial;
    if (runs.length === count) return { runs, bytes: sizes.reduce((sum, size) => sum + size, 0) };
    count = runs.length;
  }
}

/** Object 0 has a dnode too, which is empty. */
function dnodeBlocks(objects: number): number {
  return Math.ceil((objects + 1) / DNODES_PER_BLOCK);
}

function added({ allocated, physical, logical }: Usage, bytes: number): Usage {
  return { allocated: allocated + bytes, physical: physical + bytes, logical: logical + bytes };
}

/** Room for the entries of a metaslab that is full: a power of two. */
function spaceMapSize({ metaslabShift }: VdevGeometry): number {
  const entries = Math.ceil(2 ** metaslabShift / (SPACE_MAP_MAX_RUN * SECTOR_SIZE));
  let size = SPACE_MAP_BLOCK_SIZE;
  while (size < 8 * entries) size *= 2;
  return size;
}

/** A run of so many bytes at the start of a metaslab, as entries. */
function encodeRun(run: number): Buffer {
  const sectors = run / SECTOR_SIZE;
  const entries = Buffer.alloc(8 * Math.ceil(sectors / SPACE_MAP_MAX_RUN));
  for (let at = 0, done = 0; done < sectors; at += 8) {
    const length = Math.min(SPACE_MAP_MAX_RUN, sectors - done);
    putU64(entries, done * 2 ** SPACE_MAP_OFFSET_SHIFT + (length - 1), at);
    done += length;
  }
  return entries;
}

const SPACE_MAP_OFFSET_SHIFT = 16;
