import { MiB, roundUp } from "../../../support/bytes.ts";
import { type VdevGeometry, vdevGeometry } from "../geometry.ts";
import { MIN_PARTITION_SIZE } from "../layout.ts";

/**
 * Gives out space from the start of the pool to its end. No block lies across the border of two metaslabs (the kernel
 * aborts when it frees such a block): what is left of a metaslab stays free, so that each that is touched has one run of
 * allocated space, from its start.
 */
export class Allocator {
  readonly #metaslabSize: number;
  readonly #metaslabCount: number;
  readonly #limit: number;
  /** Of each metaslab that has been touched: how many bytes are in use. */
  readonly #used: number[];
  #allocated: number;

  /** `before`: an allocator to go on from without changing it. */
  constructor(geometry: VdevGeometry, before?: Allocator) {
    this.#metaslabSize = 2 ** geometry.metaslabShift;
    this.#metaslabCount = geometry.metaslabCount;
    this.#limit = allocatable(geometry);
    this.#used = [...(before?.runs ?? [0])];
    this.#allocated = before?.allocated ?? 0;
  }

  /** In bytes. */
  get allocated(): number {
    return this.#allocated;
  }

  /** The length of the run at the start of each metaslab, up to the last one that is touched. */
  get runs(): readonly number[] {
    return this.#used;
  }

  /** The place of a new block, in bytes from the start of the data area; undefined when the pool is full. */
  allocate(size: number): number | undefined {
    if (this.#allocated + size > this.#limit) return undefined;
    if ((this.#used.at(-1) ?? 0) + size > this.#metaslabSize) {
      if (this.#used.length === this.#metaslabCount) return undefined;
      this.#used.push(0);
    }
    const metaslab = this.#used.length - 1;
    const inMetaslab = this.#used[metaslab] ?? 0;
    this.#used[metaslab] = inMetaslab + size;
    this.#allocated += size;
    return metaslab * this.#metaslabSize + inMetaslab;
  }
}

/**
 * How much may be allocated: the kernel keeps 1/64 of a pool, 32 MiB at least, for itself
 * (dsl_pool_adjustedsize), and a pool that has less left cannot be written.
 */
export function allocatable({ metaslabShift, metaslabCount }: VdevGeometry): number {
  const capacity = metaslabCount * 2 ** metaslabShift;
  return capacity - Math.max(capacity / 64, MIN_RESERVE);
}

/**
 * A size of the partition in which so much can be allocated, in whole MiB. What is lost at the borders of metaslabs, less than
 * a block in each of at most 200, is a part of what the kernel keeps.
 */
export function partitionSizeFor(allocated: number): number {
  let size = MIN_PARTITION_SIZE;
  for (;;) {
    const missing = allocated - allocatable(vdevGeometry(size));
    if (missing <= 0) return size;
    size += roundUp(missing, MiB);
  }
}

const MIN_RESERVE = 32 * MiB;
