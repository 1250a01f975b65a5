import { encodeBlockPointer, type NewBlockPointer } from "../block-pointer.ts";
import { BLOCK_POINTER_SIZE, SECTOR_SIZE } from "../layout.ts";
import type { WrittenObject } from "./zap.ts";

/**
 * What has been written of each of many objects, until their dnodes are: 149 bytes each. Those that were never set
 * have no block.
 */
export class ObjectTable {
  readonly #pointers: Buffer;
  readonly #used: Float64Array;
  readonly #maxBlockIds: Float64Array;
  readonly #blockSizes: Uint32Array;
  readonly #levels: Uint8Array;
  readonly #shown = {
    ...{ pointers: Buffer.alloc(BLOCK_POINTER_SIZE), used: 0, maxBlockId: 0, blockSize: 0, levels: 0 },
  };

  constructor(count: number) {
    this.#pointers = Buffer.alloc(count * BLOCK_POINTER_SIZE);
    this.#used = new Float64Array(count);
    this.#maxBlockIds = new Float64Array(count);
    this.#blockSizes = new Uint32Array(count).fill(SECTOR_SIZE);
    this.#levels = new Uint8Array(count).fill(1);
  }

  /** Of an object with one pointer in its dnode. */
  set(index: number, { pointers, used, maxBlockId, blockSize, levels }: WrittenObject): void {
    this.#pointers.set(pointers, index * BLOCK_POINTER_SIZE);
    this.#used[index] = used;
    this.#maxBlockIds[index] = maxBlockId;
    this.#blockSizes[index] = blockSize;
    this.#levels[index] = levels;
  }

  /** Of an object with one block, which is a hole where it is undefined. */
  setBlock(index: number, block: NewBlockPointer | undefined, blockSize: number): void {
    if (block !== undefined) encodeBlockPointer(this.#pointers, block, index * BLOCK_POINTER_SIZE);
    this.#used[index] = block?.psize ?? 0;
    this.#blockSizes[index] = blockSize;
  }

  /** The same object for each call, with other values. */
  get(index: number): WrittenObject {
    const shown = this.#shown;
    this.#pointers.copy(shown.pointers, 0, index * BLOCK_POINTER_SIZE, (index + 1) * BLOCK_POINTER_SIZE);
    shown.used = this.#used[index] ?? 0;
    shown.maxBlockId = this.#maxBlockIds[index] ?? 0;
    shown.blockSize = this.#blockSizes[index] ?? 0;
    shown.levels = this.#levels[index] ?? 0;
    return shown;
  }
}
