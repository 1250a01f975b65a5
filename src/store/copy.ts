import {
  closeSync,
  constants,
  copyFileSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  statSync,
  writeSync,
} from "node:fs";
import { setImmediate } from "node:timers/promises";
import { isZero, MiB } from "../support/bytes.ts";
import { CapstanError, checkAborted, isErrno } from "../support/errors.ts";

export interface CopyOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/**
 * Copies a file to a path where there is none, and brings it to the disk. On file systems that can, both share their
 * blocks until one is written; elsewhere the bytes are copied, and what is zero takes no space.
 */
export async function copyToNew(source: string, target: string, options: CopyOptions = {}): Promise<void> {
  checkIsFile(source);
  if (clone(source, target)) return;
  const from = openSync(source, "r");
  try {
    const to = openSync(target, "wx", 0o644);
    try {
      await copyBytes(from, to, options);
      fsyncSync(to);
    } finally {
      closeSync(to);
    }
  } finally {
    closeSync(from);
  }
}

/** Asks before it opens: the opening of a FIFO would wait for a writer. */
function checkIsFile(path: string): void {
  if (statSync(path).isFile()) return;
  throw new CapstanError(`${path} is not a file`, { code: "not-a-file", hint: "Name a file." });
}

function clone(source: string, target: string): boolean {
  try {
    copyFileSync(source, target, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE);
    return true;
  } catch (error) {
    if (isErrno(error, "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EXDEV", "EINVAL", "ENOTTY", "EBADF")) return false;
    throw error;
  }
}

async function copyBytes(from: number, to: number, options: CopyOptions): Promise<void> {
  const total = fstatSync(from).size;
  const buffer = Buffer.allocUnsafeSlow(MiB);
  let position = 0;
  for (let length = readSync(from, buffer); length > 0; length = readSync(from, buffer)) {
    const chunk = buffer.subarray(0, length);
    if (!isZero(chunk)) writeAll(to, chunk, position);
    position += length;
    if (position % (8 * MiB) < length) {
      options.onProgress?.(position, total);
      await setImmediate();
      checkAborted(options.signal);
    }
  }
  ftruncateSync(to, position);
}

function writeAll(file: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done, bytes.length - done, position + done);
}
