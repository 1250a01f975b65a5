import { isZero, KiB, roundUp } from "../support/bytes.ts";

/** Large enough that the cost of a system call does not show, small enough to stay in the processor's cache. */
const GATHER_SIZE = 512 * KiB;

/** Gathers small sequential writes into runs, which end at multiples of `unit` where they can. Holds one run at most. */
export class WriteGatherer {
  readonly #unit: number;
  readonly #commit: (run: Uint8Array, offset: number) => void;
  #buffer: Buffer | undefined;
  #start = 0;
  #length = 0;

  /** `unit` divides 512 KiB. `commit` gets each run; the bytes are its own only until it returns. */
  constructor(unit: number, commit: (run: Uint8Array, offset: number) => void) {
    this.#unit = unit;
    this.#commit = commit;
  }

  write(data: Uint8Array, offset: number): void {
    if (this.#length > 0 && offset !== this.#start + this.#length) this.commit();
    let done = 0;
    while (done < data.length) done += this.#take(data.subarray(done), offset + done);
  }

  /** Hands out what is held. When that fails, it is dropped: a second try would hide the first error. */
  commit(): void {
    const length = this.#length;
    if (length === 0 || this.#buffer === undefined) return;
    this.#length = 0;
    this.#commit(this.#buffer.subarray(0, length), this.#start);
  }

  /** Lays what is held over what was read at `offset`: to commit it for a reader would cut runs in other places. */
  layOver(target: Uint8Array, offset: number): void {
    const from = Math.max(offset, this.#start);
    const to = Math.min(offset + target.length, this.#start + this.#length);
    if (from < to) this.#buffer?.copy(target, from - offset, from - this.#start, to - this.#start);
  }

  #take(data: Uint8Array, offset: number): number {
    const isLarge = data.length >= GATHER_SIZE;
    if (this.#length === 0) {
      this.#start = offset;
      if (isLarge) return this.#passThrough(data, offset);
    }
    this.#buffer ??= Buffer.allocUnsafe(GATHER_SIZE);
    // Before large data only the unit is completed that has begun: the rest goes by without being copied.
    const end = isLarge ? roundUp(offset, this.#unit) : this.#start - (this.#start % this.#unit) + GATHER_SIZE;
    const room = end - offset;
    if (room === 0) {
      this.commit();
      return 0;
    }
    const count = Math.min(room, data.length);
    this.#buffer.set(data.subarray(0, count), this.#length);
    this.#length += count;
    if (count === room) this.commit();
    return count;
  }

  #passThrough(data: Uint8Array, offset: number): number {
    const count = data.length - ((offset + data.length) % this.#unit);
    this.#commit(data.subarray(0, count), offset);
    return count;
  }
}

/** Calls `visit` for each part of `data` that is not zero, whole units of the device at a time; neighbours are joined. */
export function eachNonZeroRun(
  data: Uint8Array,
  { offset, unit }: { readonly offset: number; readonly unit: number },
  visit: (run: Uint8Array, offset: number) => void,
): void {
  let runStart = -1;
  for (let at = 0; at < data.length; ) {
    const end = Math.min(data.length, at + unit - ((offset + at) % unit));
    const zero = isZero(data.subarray(at, end));
    if (!zero && runStart < 0) runStart = at;
    if (zero && runStart >= 0) {
      visit(data.subarray(runStart, at), offset + runStart);
      runStart = -1;
    }
    at = end;
  }
  if (runStart >= 0) visit(data.subarray(runStart), offset + runStart);
}
