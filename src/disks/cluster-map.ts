/** Where each cluster of a disk went. Memory grows with what is written, not with the size of the disk. */
export class ClusterMap {
  readonly #blocks = new Map<number, Uint32Array>();

  /** 0 for a cluster that was never set. */
  get(cluster: number): number {
    return this.#blocks.get(Math.floor(cluster / BLOCK))?.[cluster % BLOCK] ?? 0;
  }

  set(cluster: number, value: number): void {
    const key = Math.floor(cluster / BLOCK);
    let block = this.#blocks.get(key);
    if (block === undefined) {
      block = new Uint32Array(BLOCK);
      this.#blocks.set(key, block);
    }
    block[cluster % BLOCK] = value;
  }

  /** The groups of `size` clusters (a multiple of 128) in which something is set, by number, in ascending order. */
  groups(size: number): number[] {
    const found = new Set<number>();
    for (const key of this.#blocks.keys()) found.add(Math.floor((key * BLOCK) / size));
    return [...found].sort((a, b) => a - b);
  }

  /** Calls `visit` for what is set among `count` clusters from `first` on (both multiples of 128). */
  each(first: number, count: number, visit: (cluster: number, value: number) => void): void {
    for (let start = first; start < first + count; start += BLOCK) {
      this.#blocks.get(start / BLOCK)?.forEach((value, index) => {
        if (value !== 0) visit(start + index, value);
      });
    }
  }
}

/** Small, so that single clusters far apart cost little; one block maps 8 MiB. */
const BLOCK = 128;
