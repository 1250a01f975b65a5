/**
 * A disk, whatever container holds it: random read and write at byte offsets of the guest's view.
 * Calls are synchronous: file I/O of Node is fastest so, and callers that stream yield between chunks.
 */
export interface BlockDevice {
  /** In bytes, as the guest sees it. */
  readonly size: number;
  /** Fills the whole of `target` from `offset`; reading beyond `size` is an error of the caller (RangeError). */
  read(target: Uint8Array, offset: number): void;
  /**
   * How many bytes from `offset` on, `limit` at most, are known to be zero without reading them; 0 where that is not known.
   * May be less than the truth, so that one call stays short: ask again from where the answer ended.
   */
  zeroRun?(offset: number, limit: number): number;
  /**
   * How many bytes of data, in one pass over the disk, the file under it can hold at most: where its tables lead to more,
   * they name the same places again and again. Undefined where any number is possible.
   */
  readonly mostData?: number | undefined;
}

export interface WritableBlockDevice extends BlockDevice {
  /** Writes all of `data` at `offset`. Sequential small writes are gathered by the implementation. */
  write(data: Uint8Array, offset: number): void;
  /** Brings everything, metadata included, to stable storage. */
  flush(): void;
}

export interface Closable {
  close(): void;
}

/** Throws the RangeError of a caller that reads or writes outside a device of `size` bytes. */
export function checkRange(size: number, offset: number, length: number): void {
  if (!(offset >= 0 && offset + length <= size)) {
    throw new RangeError(`${length} bytes at ${offset} lie outside a device of ${size} bytes`);
  }
}

/** A part of a device as a device of its own, to be read only: a partition of somebody's image. */
export class ReadWindow implements BlockDevice {
  readonly #device: BlockDevice;
  readonly #start: number;
  readonly size: number;

  constructor(device: BlockDevice, start: number, size: number) {
    checkRange(device.size, start, size);
    this.#device = device;
    this.#start = start;
    this.size = size;
  }

  read(target: Uint8Array, offset: number): void {
    checkRange(this.size, offset, target.length);
    this.#device.read(target, this.#start + offset);
  }

  get mostData(): number | undefined {
    return this.#device.mostData;
  }

  zeroRun(offset: number, limit: number): number {
    return this.#device.zeroRun?.(this.#start + offset, Math.min(limit, this.size - offset)) ?? 0;
  }
}

/** A part of a device as a device of its own: what a file system in a partition is read and written through. */
export class DeviceWindow extends ReadWindow implements WritableBlockDevice {
  readonly #device: WritableBlockDevice;
  readonly #start: number;

  constructor(device: WritableBlockDevice, start: number, size: number) {
    super(device, start, size);
    this.#device = device;
    this.#start = start;
  }

  write(data: Uint8Array, offset: number): void {
    checkRange(this.size, offset, data.length);
    this.#device.write(data, this.#start + offset);
  }

  flush(): void {
    this.#device.flush();
  }
}
