import { SECTOR_SIZE } from "../layout.ts";

/** Which sectors of a pool are taken: a bit each, and memory only for the metaslabs that are touched. */
export class Space {
  /** Bytes taken. */
  taken = 0;
  readonly #metaslabs = new Map<number, Uint8Array>();
  readonly #metaslabSize: number;
  readonly #count: number;

  constructor(metaslabShift: number, metaslabCount: number) {
    this.#metaslabSize = 2 ** metaslabShift;
    this.#count = metaslabCount;
  }

  /** Whether a run of bytes lies within one metaslab. */
  fits(offset: number, length: number): boolean {
    const metaslab = Math.floor(offset / this.#metaslabSize);
    const isWhole = offset % SECTOR_SIZE === 0 && length % SECTOR_SIZE === 0 && length > 0;
    return isWhole && metaslab < this.#count && offset + length <= (metaslab + 1) * this.#metaslabSize;
  }

  /** Takes (true) or gives back a run that fits. False when any of it is so already. */
  set(offset: number, length: number, value: boolean): boolean {
    const metaslab = Math.floor(offset / this.#metaslabSize);
    const bits = this.#bits(metaslab);
    const first = (offset - metaslab * this.#metaslabSize) / SECTOR_SIZE;
    const end = first + length / SECTOR_SIZE;
    let isNew = true;
    for (let sector = first; sector < end; sector++) {
      const byte = sector >>> 3;
      const bit = 1 << (sector & 7);
      const old = bits[byte] ?? 0;
      if (((old & bit) !== 0) === value) isNew = false;
      else this.taken += value ? SECTOR_SIZE : -SECTOR_SIZE;
      bits[byte] = value ? old | bit : old & ~bit;
    }
    return isNew;
  }

  /** In bytes: what only this one has, and what only the other. */
  difference(other: Space): { only: number; lacking: number; example: number | undefined } {
    let [only, lacking] = [0, 0];
    let example: number | undefined;
    for (const metaslab of new Set([...this.#metaslabs.keys(), ...other.#metaslabs.keys()])) {
      const mine = this.#bits(metaslab);
      const theirs = other.#bits(metaslab);
      for (let byte = 0; byte < mine.length; byte++) {
        const different = (mine[byte] ?? 0) ^ (theirs[byte] ?? 0);
        if (different === 0) continue;
        example ??= metaslab * this.#metaslabSize + byte * 8 * SECTOR_SIZE;
        only += SECTOR_SIZE * bitCount(different & (mine[byte] ?? 0));
        lacking += SECTOR_SIZE * bitCount(different & (theirs[byte] ?? 0));
      }
    }
    return { only, lacking, example };
  }

  #bits(metaslab: number): Uint8Array {
    let bits = this.#metaslabs.get(metaslab);
    if (bits === undefined) {
      bits = new Uint8Array(Math.ceil(this.#metaslabSize / SECTOR_SIZE / 8));
      this.#metaslabs.set(metaslab, bits);
    }
    return bits;
  }
}

function bitCount(byte: number): number {
  let count = 0;
  for (let rest = byte; rest !== 0; rest &= rest - 1) count++;
  return count;
}
