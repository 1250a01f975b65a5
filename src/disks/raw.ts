import { KiB } from "../support/bytes.ts";
import { CapstanError } from "../support/errors.ts";
import { type BlockDevice, type Closable, checkRange, type WritableBlockDevice } from "./block-device.ts";
import { DiskFile } from "./disk-file.ts";
import { eachNonZeroRun, WriteGatherer } from "./gather.ts";

/** Zeros are looked for, and left out of the file, in units of this size. */
const SPARSE_UNIT = 64 * KiB;

/** Opens a raw image for reading: the disk is the file, byte for byte. */
export function openRaw(path: string): BlockDevice & Closable {
  return rawDevice(DiskFile.open(path));
}

/** The disk in a file that is open already; closing the one closes the other. */
export function rawDevice(file: DiskFile): BlockDevice & Closable {
  return new RawReader(file);
}

class RawReader implements BlockDevice, Closable {
  readonly #file: DiskFile;
  readonly size: number;

  constructor(file: DiskFile) {
    this.#file = file;
    this.size = file.size;
  }

  read(target: Uint8Array, offset: number): void {
    checkRange(this.size, offset, target.length);
    this.#file.read(target, offset);
  }

  close(): void {
    this.#file.close();
  }
}

export interface RawOptions {
  /** In bytes. */
  readonly size: number;
  /** Whether flush waits for the disk (fsync); true unless said otherwise. */
  readonly sync?: boolean;
}

/** Creates a raw image at a path where nothing is yet. Zeros that were never anything else take no space. */
export function createRaw(path: string, options: RawOptions): WritableBlockDevice & Closable {
  if (!Number.isSafeInteger(options.size) || options.size < 0) {
    throw new CapstanError(`A disk cannot have ${options.size} bytes`, { code: "disk-size", hint: "Choose a size." });
  }
  const file = DiskFile.create(path);
  try {
    file.truncate(options.size);
    return new RawWriter(file, options);
  } catch (error) {
    file.discard();
    throw error;
  }
}

class RawWriter implements WritableBlockDevice, Closable {
  readonly size: number;
  readonly #file: DiskFile;
  readonly #sync: boolean;
  readonly #gatherer = new WriteGatherer(SPARSE_UNIT, (run, offset) => this.#commit(run, offset));
  /** Nothing was ever written from here on: zeros need not be. */
  #untouchedFrom = 0;

  constructor(file: DiskFile, { size, sync }: RawOptions) {
    this.#file = file;
    this.size = size;
    this.#sync = sync ?? true;
    if (this.#sync) file.writeOutEarly();
  }

  read(target: Uint8Array, offset: number): void {
    checkRange(this.size, offset, target.length);
    this.#file.read(target, offset);
    this.#gatherer.layOver(target, offset);
  }

  write(data: Uint8Array, offset: number): void {
    checkRange(this.size, offset, data.length);
    this.#gatherer.write(data, offset);
  }

  flush(): void {
    this.#gatherer.commit();
    if (this.#sync) this.#file.sync();
  }

  close(): void {
    try {
      this.#gatherer.commit();
    } finally {
      this.#file.close();
    }
  }

  #commit(run: Uint8Array, offset: number): void {
    const over = Math.max(0, Math.min(run.length, this.#untouchedFrom - offset));
    if (over > 0) this.#file.write(run.subarray(0, over), offset);
    eachNonZeroRun(run.subarray(over), { offset: offset + over, unit: SPARSE_UNIT }, (part, at) => {
      this.#file.write(part, at);
      this.#untouchedFrom = at + part.length;
    });
  }
}
