import {
  closeSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { createGunzip, type Gunzip } from "node:zlib";
import { copyToNew } from "../store/copy.ts";
import { writeBeside } from "../support/atomic.ts";
import { isZero, MiB } from "../support/bytes.ts";
import type { Context } from "../support/context.ts";
import { CapstanError, checkAborted, isErrno } from "../support/errors.ts";
import { damaged, LIMIT_HINT } from "./download-errors.ts";
import { forgetPart } from "./download-part.ts";
import type { RemoteFile } from "./remote.ts";

export interface Placing {
  readonly file: RemoteFile;
  readonly part: string;
  readonly path: string;
  readonly what: string;
  readonly limit: number;
}

/** Renames a whole part to its place, unpacked where that is wanted. */
export async function putInPlace(request: Placing, context: Context): Promise<void> {
  const { file, part, path } = request;
  mkdirSync(dirname(path), { recursive: true });
  if (file.gzip) await writeBeside(path, (temporary) => unpack(request, temporary, context));
  else await rename(part, path, context);
}

async function rename(part: string, path: string, context: Context): Promise<void> {
  try {
    renameSync(part, path);
  } catch (error) {
    if (!isErrno(error, "EXDEV")) throw error;
    await writeBeside(path, (temporary) => copyToNew(part, temporary, { signal: context.signal }));
  }
}

/** A gzip file that is damaged is of no use to the next attempt. */
async function unpack(request: Placing, target: string, context: Context): Promise<void> {
  const file = openSync(target, "wx", 0o644);
  try {
    await inflate(request, file, context);
    fsyncSync(file);
  } catch (error) {
    checkAborted(context.signal);
    const problem = problemOf(error);
    if (problem === undefined && !(error instanceof CapstanError)) throw error;
    forgetPart(request.part);
    throw problem === undefined ? error : damaged(request, problem);
  } finally {
    closeSync(file);
  }
}

async function inflate(request: Placing, file: number, { signal }: Context): Promise<void> {
  const gunzip = createGunzip({ chunkSize: MiB });
  const feeding = feed(request.part, gunzip);
  let length = 0;
  try {
    for await (const chunk of gunzip as AsyncIterable<Buffer>) {
      checkAborted(signal);
      if (length + chunk.length > request.limit) {
        throw damaged(request, `it unpacks to more than the ${request.limit} bytes that are the limit`, LIMIT_HINT);
      }
      // What is zero takes no space: disks are mostly that.
      if (!isZero(chunk)) writeAll(file, chunk, length);
      length += chunk.length;
    }
  } finally {
    gunzip.destroy();
    await feeding;
  }
  ftruncateSync(file, length);
  if (hasJunk(request.part, gunzip.bytesWritten))
    throw damaged(request, "there is something else behind its gzip data");
}

/** Until the end of the file or of the gzip data; what goes wrong with the data is for who reads the other end. */
async function feed(path: string, gunzip: Gunzip): Promise<void> {
  const file = openSync(path, "r");
  try {
    const buffer = Buffer.allocUnsafeSlow(MiB);
    for (let read = readSync(file, buffer); read > 0; read = readSync(file, buffer)) {
      const isTaken = await write(gunzip, buffer.subarray(0, read));
      if (!isTaken || gunzip.readableEnded || gunzip.destroyed) return;
    }
    gunzip.end();
  } catch (error) {
    gunzip.destroy(error instanceof Error ? error : undefined);
  } finally {
    closeSync(file);
  }
}

/** Whether it was taken; a stream that is closed meanwhile takes nothing more, and does not say so. */
function write(gunzip: Gunzip, chunk: Uint8Array): Promise<boolean> {
  return new Promise((resolve) => {
    const closed = () => resolve(false);
    gunzip.once("close", closed);
    gunzip.write(chunk, (error) => {
      gunzip.off("close", closed);
      resolve(error === undefined || error === null);
    });
  });
}

/** zlib stops at the end of the last member and says nothing of what comes behind. Zeros fill up the blocks of a tape. */
function hasJunk(path: string, from: number): boolean {
  if (statSync(path).size === from) return false;
  const file = openSync(path, "r");
  try {
    const buffer = Buffer.allocUnsafeSlow(MiB);
    let position = from;
    for (let read = -1; read !== 0; position += read) {
      read = readSync(file, buffer, 0, buffer.length, position);
      if (!isZero(buffer.subarray(0, read))) return true;
    }
    return false;
  } finally {
    closeSync(file);
  }
}

function writeAll(file: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done, bytes.length - done, position + done);
}

function problemOf(error: unknown): string | undefined {
  if (isErrno(error, "Z_BUF_ERROR")) return "its gzip data ends too early";
  return isErrno(error, "Z_DATA_ERROR", "Z_NEED_DICT", "Z_STREAM_ERROR") ? "it is not right as gzip data" : undefined;
}
