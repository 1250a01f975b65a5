/**
 * A disk, whatever container holds it: random read and write at byte offsets of the guest's view.
 * Calls are synchronous: file I/O of Node is fastest so, and callers that stream yield between chunks.
 */
export interface BlockDevice {
  /** In bytes, as the guest sees it. */
  readonly size: number;
  /** Fills the whole of `target` from `offset`; reading beyond `size` is an error of the caller (RangeError). */
  read(target: Uint8Array, offset: number): void;
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

/** A part of a device as a device of its own: what a file system in a partition is read and written through. */
export class DeviceWindow implements WritableBlockDevice {
  readonly #device: WritableBlockDevice;
  readonly #start: number;
  readonly size: number;

  constructor(device: WritableBlockDevice, start: number, size: number) {
    if (start < 0 || size < 0 || start + size > device.size) {
      throw new RangeError(`window ${start}+${size} lies outside a device of ${device.size} bytes`);
    }
    this.#device = device;
    this.#start = start;
    this.size = size;
  }

  read(target: Uint8Array, offset: number): void {
    this.#check(offset, target.length);
    this.#device.read(target, this.#start + offset);
  }

  write(data: Uint8Array, offset: number): void {
    this.#check(offset, data.length);
    this.#device.write(data, this.#start + offset);
  }

  flush(): void {
    this.#device.flush();
  }

  #check(offset: number, length: number): void {
    if (offset < 0 || offset + length > this.size) {
      throw new RangeError(`${length} bytes at ${offset} lie outside a window of ${this.size} bytes`);
    }
  }
}
