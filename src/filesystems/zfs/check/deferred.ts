import type { BlockPointer } from "../block-pointer.ts";
import { corrupt } from "../errors.ts";
import { getU64 } from "../integers.ts";
import { BLOCK_POINTER_SIZE } from "../layout.ts";
import { BlockReader } from "../read/block-reader.ts";
import type { Objset } from "../read/object.ts";

/**
 * The blocks that a list of block pointers names (bpobj_phys_t): how many, three sums, and from the third version on
 * an object with the numbers of further lists. In the MOS's `sync_bplist` and `free_bpobj` they are about to be freed.
 */
export function* listedBlocks(mos: Objset, list: number): Generator<BlockPointer, void, undefined> {
  const seen = new Set<number>();
  const pending = [list];
  for (let number = pending.pop(); number !== undefined; number = pending.pop()) {
    if (seen.has(number) || seen.size > MAX_LISTS) corrupt("lists of blocks name each other in a circle");
    seen.add(number);
    const object = mos.object(number);
    const field = (index: number): number =>
      object.bonus.length >= 8 * index + 8
        ? (getU64(object.bonus, 8 * index) ?? corrupt(`${object.what} is damaged`))
        : 0;
    const count = field(0);
    if (count * BLOCK_POINTER_SIZE > object.size) corrupt(`${object.what} is cut off`);
    const bytes = Buffer.alloc(BLOCK_POINTER_SIZE);
    for (let index = 0; index < count; index++) {
      object.read(bytes, index * BLOCK_POINTER_SIZE);
      const pointer = BlockReader.pointer(bytes, 0, object.what);
      if (pointer !== undefined) yield pointer;
    }
    const [sublists, sublistCount] = [field(4), field(5)];
    if (sublists === 0) continue;
    const numbers = mos.object(sublists);
    if (sublistCount * 8 > Math.min(numbers.size, 8 * MAX_LISTS)) corrupt(`${numbers.what} is cut off`);
    for (let index = 0; index < sublistCount; index++) {
      numbers.read(bytes.subarray(0, 8), 8 * index);
      pending.push(getU64(bytes, 0) ?? 0);
    }
  }
}

const MAX_LISTS = 100_000;

/** Of the object directory: lists whose blocks are still allocated. */
export const DEFERRED_LISTS = ["sync_bplist", "free_bpobj"] as const;
