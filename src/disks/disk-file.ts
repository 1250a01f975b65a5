import {
  closeSync,
  constants,
  fdatasync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  rmSync,
  writeSync,
} from "node:fs";
import { KiB, MiB } from "../support/bytes.ts";
import { CapstanError, doing, ExitCode, isErrno, withNoun } from "../support/errors.ts";

/** The host file under a disk: whole reads and writes at an offset, and errors that name it. */
export class DiskFile {
  readonly path: string;
  readonly #fd: number;
  #open = true;
  #writeOut: WriteOut | undefined;

  private constructor(path: string, fd: number) {
    this.path = path;
    this.#fd = fd;
  }

  /** Opens a regular file for reading. Others (folders, FIFOs, devices) are an error, and never waited for. */
  static open(path: string): DiskFile {
    const fd = doing(`Opening ${path}`, () => openSync(path, constants.O_RDONLY | constants.O_NONBLOCK));
    const file = new DiskFile(path, fd);
    if (!fstatSync(fd).isFile()) {
      file.close();
      throw new CapstanError(`${path} is not a regular file`, {
        code: "not-a-file",
        hint: "Name a disk image.",
      });
    }
    return file;
  }

  /** Creates a file that does not exist yet, for writing and reading back. */
  static create(path: string): DiskFile {
    try {
      return new DiskFile(path, openSync(path, "wx+", 0o644));
    } catch (error) {
      if (!isErrno(error, "EEXIST")) throw withNoun(error, `Creating ${path}`);
      throw new CapstanError(`${path} exists already`, {
        code: "file-exists",
        hint: "Remove it first, or choose another name.",
        exitCode: ExitCode.cannotCreate,
        cause: error,
      });
    }
  }

  get size(): number {
    return fstatSync(this.#fd).size;
  }

  /** Identifies the file whatever name it was opened by. */
  get identity(): string {
    const { dev, ino } = fstatSync(this.#fd);
    return `${dev}:${ino}`;
  }

  /** Reads up to the end of the file; returns how many bytes there were. */
  readSome(target: Uint8Array, position: number): number {
    // Tables of formats may point to where no file ends.
    if (position + target.length > Number.MAX_SAFE_INTEGER) return 0;
    let done = 0;
    try {
      while (done < target.length) {
        const count = readSync(this.#fd, target, done, target.length - done, position + done);
        if (count === 0) break;
        done += count;
      }
    } catch (error) {
      throw withNoun(error, `Reading ${this.path}`);
    }
    return done;
  }

  /** Fills `target`; a file that ends before is an error. */
  read(target: Uint8Array, position: number): void {
    if (this.readSome(target, position) < target.length) {
      throw new CapstanError(`${this.path} ends before byte ${position + target.length}, which belongs to the disk`, {
        code: "disk-truncated",
        hint: "The file was cut short while or before it was read: copy or download it again.",
      });
    }
  }

  /**
   * Has the system write to the disk what is written here, while more is written: so that the sync at the end has little
   * left to wait for. Errors of that are left to that sync.
   */
  writeOutEarly(): void {
    this.#writeOut ??= new WriteOut(this.path);
  }

  write(data: Uint8Array, position: number): void {
    let done = 0;
    try {
      while (done < data.length) {
        done += writeSync(this.#fd, data, done, Math.min(WRITE_SIZE, data.length - done), position + done);
      }
    } catch (error) {
      throw withNoun(error, `Writing ${this.path}`);
    }
    this.#writeOut?.wrote(data.length);
  }

  truncate(size: number): void {
    doing(`Writing ${this.path}`, () => ftruncateSync(this.#fd, size));
  }

  sync(): void {
    doing(`Writing ${this.path}`, () => fsyncSync(this.#fd));
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#writeOut?.close();
    closeSync(this.#fd);
  }

  /** For a creation that failed: closes the file and takes it away. */
  discard(): void {
    this.close();
    rmSync(this.path, { force: true });
  }
}

/**
 * At most so many bytes at once. Kernels that keep files in large folios (Linux from 6.6 on, by file system) look for memory in
 * one piece for a larger write. In a virtual machine that is often memory that the host has yet to find: measured, writes of
 * 128 KiB and more take three to five times the processor time of these, and calls as small as these cost next to nothing.
 */
const WRITE_SIZE = 64 * KiB;

/** Bytes between two starts: a few tenths of a second of a disk's work. */
const WRITE_OUT_EVERY = 32 * MiB;

/** Syncs a file in the background, through a descriptor of its own: the kernel tells each descriptor of an error once. */
class WriteOut {
  readonly #fd: number | undefined;
  #pending = 0;
  #busy = false;
  #closed = false;

  constructor(path: string) {
    try {
      this.#fd = openSync(path, "r+");
    } catch {
      // Only the head start is lost.
    }
  }

  wrote(bytes: number): void {
    this.#pending += bytes;
    if (this.#pending < WRITE_OUT_EVERY || this.#busy || this.#fd === undefined) return;
    this.#pending = 0;
    this.#busy = true;
    fdatasync(this.#fd, () => {
      this.#busy = false;
      if (this.#closed) this.#release();
    });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (!this.#busy) this.#release();
  }

  #release(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
  }
}
