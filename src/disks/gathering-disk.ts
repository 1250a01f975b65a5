import { type Closable, checkRange, type WritableBlockDevice } from "./block-device.ts";
import type { DiskFile } from "./disk-file.ts";
import { WriteGatherer } from "./gather.ts";

export interface GatheringOptions {
  readonly file: DiskFile;
  /** Of the disk, in bytes. */
  readonly size: number;
  /** Runs end at multiples of it; divides 512 KiB. */
  readonly unit: number;
  /** Whether flush waits for the disk (fsync). */
  readonly sync: boolean;
}

/**
 * What disks have in common whose tables reach the file at the end: small writes are gathered, flush and close complete
 * the image, and after a failure every later call fails the same way, since tables and content may disagree.
 */
export abstract class GatheringDisk implements WritableBlockDevice, Closable {
  readonly size: number;
  protected readonly file: DiskFile;
  readonly #sync: boolean;
  readonly #gatherer: WriteGatherer;
  #isStale = true;
  #failure: unknown;

  constructor({ file, size, unit, sync }: GatheringOptions) {
    this.file = file;
    this.size = size;
    this.#sync = sync;
    this.#gatherer = new WriteGatherer(unit, (run, offset) => {
      this.#isStale = true;
      this.commit(run, offset);
    });
    if (sync) file.writeOutEarly();
  }

  read(target: Uint8Array, offset: number): void {
    checkRange(this.size, offset, target.length);
    this.readCommitted(target, offset);
    this.#gatherer.layOver(target, offset);
  }

  write(data: Uint8Array, offset: number): void {
    checkRange(this.size, offset, data.length);
    this.#guarded(() => this.#gatherer.write(data, offset));
  }

  flush(): void {
    this.#guarded(() => {
      this.#finish();
      if (this.#sync) this.file.sync();
    });
  }

  /** Completes the image without waiting for the disk; after a failed write it only lets go of the file. */
  close(): void {
    try {
      if (this.#failure === undefined) this.#finish();
    } finally {
      this.#failure ??= new Error("the disk is closed");
      this.file.close();
    }
  }

  /** Writes a gathered run to the file. */
  protected abstract commit(run: Uint8Array, offset: number): void;
  /** Reads what has been committed, and zeros elsewhere. */
  protected abstract readCommitted(target: Uint8Array, offset: number): void;
  /** Writes headers and tables. */
  protected abstract finish(): void;

  #finish(): void {
    this.#gatherer.commit();
    if (!this.#isStale) return;
    this.finish();
    this.#isStale = false;
  }

  #guarded(work: () => void): void {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      work();
    } catch (error) {
      this.#failure = error;
      throw error;
    }
  }
}
