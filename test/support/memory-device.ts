import type { WritableBlockDevice } from "../../src/disks/block-device.ts";

/** A disk in memory that remembers how it was written to. Filled with 0xAA first, so that what nobody wrote shows. */
export class MemoryDevice implements WritableBlockDevice {
  readonly bytes: Uint8Array;
  readonly writes: { readonly offset: number; readonly length: number }[] = [];
  flushes = 0;

  constructor(content: number | Uint8Array) {
    this.bytes = typeof content === "number" ? new Uint8Array(content).fill(0xaa) : content;
  }

  get size(): number {
    return this.bytes.length;
  }

  read(target: Uint8Array, offset: number): void {
    this.#check(offset, target.length);
    target.set(this.bytes.subarray(offset, offset + target.length));
  }

  write(data: Uint8Array, offset: number): void {
    this.#check(offset, data.length);
    this.bytes.set(data, offset);
    this.writes.push({ offset, length: data.length });
  }

  flush(): void {
    this.flushes++;
  }

  #check(offset: number, length: number): void {
    if (offset < 0 || offset + length > this.size) {
      throw new RangeError(`${length} bytes at ${offset} lie outside a device of ${this.size} bytes`);
    }
  }
}
