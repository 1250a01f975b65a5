import type { VdevGeometry } from "../geometry.ts";
import { MAX_BLOCK_SIZE } from "../layout.ts";

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

/** A size of the partition in which so much can be allocated, in whole MiB. */
export function partitionSizeFor(allocated: number): number {
  // A metaslab has 512 KiB at least, and up to a block of it cannot be used; above 256 MiB the loss is a part of that.
  const withBorders = allocated * (1 + MAX_BLOCK_SIZE / (512 * 1024 - MAX_BLOCK_SIZE));
  const size = Math.max(withBorders * (64 / 62), withBorders + MIN_RESERVE) + OUTSIDE_METASLABS;
  return Math.ceil(size / 2 ** 20) * 2 ** 20;
}

const MIN_RESERVE = 32 * 2 ** 20;
/** Labels and boot area, and what does not fill a last metaslab. */
const OUTSIDE_METASLABS = 6 * 2 ** 20;
