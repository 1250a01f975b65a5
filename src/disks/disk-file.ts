import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  rmSync,
  writeSync,
} from "node:fs";
import { CapstanError, doing, ExitCode, isErrno, withNoun } from "../support/errors.ts";

/** The host file under a disk: whole reads and writes at an offset, and errors that name it. */
export class DiskFile {
  readonly path: string;
  readonly #fd: number;
  #open = true;

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

  write(data: Uint8Array, position: number): void {
    let done = 0;
    try {
      while (done < data.length) done += writeSync(this.#fd, data, done, data.length - done, position + done);
    } catch (error) {
      throw withNoun(error, `Writing ${this.path}`);
    }
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
    closeSync(this.#fd);
  }

  /** For a creation that failed: closes the file and takes it away. */
  discard(): void {
    this.close();
    rmSync(this.path, { force: true });
  }
}
