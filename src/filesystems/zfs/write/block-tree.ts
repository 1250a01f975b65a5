import { encodeBlockPointer, type NewBlockPointer } from "../block-pointer.ts";
import { BLOCK_POINTER_SIZE, INDIRECT_BLOCK_SIZE, POINTERS_PER_INDIRECT } from "../layout.ts";
import type { PoolOutput, Usage } from "./output.ts";

export interface BlockTreeOptions {
  /** Of `ObjectType`: indirect blocks carry it too. */
  readonly type: number;
  readonly levels: number;
  readonly usage: Usage;
  /** Pointers in the dnode. */
  readonly pointerCount: number;
  /** Whether indirect blocks keep their size, so that it is known before they are written. */
  readonly plain?: boolean;
}

/** How many levels the dnode of an object with so many blocks needs, with so many pointers in it. */
export function levelsFor(blocks: number, pointerCount: number): number {
  let levels = 1;
  for (let reach = pointerCount; reach < blocks; reach *= POINTERS_PER_INDIRECT) levels++;
  return levels;
}

/**
 * The indirect blocks of one object: pointers to its blocks go in in order, each indirect block is written when it is
 * full, and what is left in the end is the pointers of the dnode. One indirect block a level is held.
 */
export class BlockTree {
  readonly #output: PoolOutput;
  readonly #options: BlockTreeOptions;
  /** From level 1 on; the pointers of the dnode come last. */
  readonly #levels: Level[];
  /** Bytes allocated for the blocks that were given and the indirect ones. */
  #used = 0;

  constructor(output: PoolOutput, options: BlockTreeOptions) {
    this.#output = output;
    this.#options = options;
    this.#levels = Array.from({ length: options.levels }, (_, index) => ({
      bytes: index === options.levels - 1 ? Buffer.alloc(options.pointerCount * BLOCK_POINTER_SIZE) : undefined,
      count: 0,
      fill: 0,
    }));
  }

  get used(): number {
    return this.#used;
  }

  /** The next block; undefined for a hole. */
  push(block: NewBlockPointer | undefined): void {
    if (block !== undefined) this.#used += block.asize ?? block.psize;
    this.#add(0, block);
  }

  /** Writes the indirect blocks that are not full. The pointers of the dnode. */
  finish(): { readonly pointers: Buffer; readonly fill: number } {
    for (let index = 0; index < this.#levels.length - 1; index++) {
      if ((this.#levels[index]?.count ?? 0) > 0) this.#close(index);
    }
    const top = this.#levels.at(-1);
    return { pointers: top?.bytes ?? Buffer.alloc(0), fill: top?.fill ?? 0 };
  }

  #add(index: number, block: NewBlockPointer | undefined): void {
    const level = this.#levels[index];
    if (level === undefined) throw new RangeError("more blocks than the levels reach");
    if (block !== undefined) {
      level.bytes ??= Buffer.alloc(INDIRECT_BLOCK_SIZE);
      encodeBlockPointer(level.bytes, block, level.count * BLOCK_POINTER_SIZE);
      level.fill += block.fill;
    }
    level.count++;
    if (index < this.#levels.length - 1 && level.count === POINTERS_PER_INDIRECT) this.#close(index);
  }

  #close(index: number): void {
    const level = this.#levels[index];
    if (level === undefined) return;
    const { bytes, fill } = level;
    this.#levels[index] = { bytes: undefined, count: 0, fill: 0 };
    if (bytes === undefined) {
      this.#add(index + 1, undefined);
      return;
    }
    const { type, usage, plain } = this.#options;
    const block = this.#output.put(bytes, { type, level: index + 1, fill, usage, compress: plain !== true });
    this.#used += block.psize;
    this.#add(index + 1, block);
  }
}

interface Level {
  /** Undefined as long as there are only holes. */
  bytes: Buffer | undefined;
  count: number;
  fill: number;
}
