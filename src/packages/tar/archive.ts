import { type FileHandle, open, stat } from "node:fs/promises";
import { pipeline, Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { isZero, MiB } from "../../support/bytes.ts";
import { CapstanError, checkAborted, doing, isErrno, withNoun } from "../../support/errors.ts";

/** What tells one state of a file from another: it changes whenever the file is written or replaced. */
export interface FileIdentity {
  readonly size: number;
  /** Nanoseconds since 1970, in decimal: more than a number holds. */
  readonly mtimeNs: string;
  readonly inode: string;
}

export interface ArchiveOptions {
  readonly signal?: AbortSignal | undefined;
  /** The file has to be in this state still: offsets into another one would be wrong. */
  readonly expected?: FileIdentity | undefined;
}

/**
 * The uncompressed bytes of an archive, which is gzip-compressed (of any number of members) or not: its first two
 * bytes tell. Memory stays at a few chunks. The file is closed when the iteration ends, however it ends.
 */
export async function* readArchive(path: string, options: ArchiveOptions = {}): AsyncGenerator<Uint8Array> {
  const file = await openRegularFile(path);
  try {
    const identity = await identityOf(file);
    if (options.expected !== undefined && !sameIdentity(identity, options.expected)) throw changedError(path);
    const chunks = (await isGzip(file)) ? gunzipped(file, path) : plain(file);
    for await (const chunk of chunks) {
      checkAborted(options.signal);
      yield chunk;
    }
  } catch (error) {
    throw withNoun(error, `Reading ${path}`);
  } finally {
    await file.close();
  }
}

export async function archiveIdentity(path: string): Promise<FileIdentity> {
  const file = await openRegularFile(path);
  try {
    return await identityOf(file);
  } finally {
    await file.close();
  }
}

/** Whether nothing but zeros stands behind the gzip data of an archive, which zlib itself does not look at. */
export async function hasCleanTail(path: string, start: number): Promise<boolean> {
  const file = await openRegularFile(path);
  try {
    return (await findJunk(file, start)) === undefined;
  } finally {
    await file.close();
  }
}

export function sameIdentity(a: FileIdentity, b: FileIdentity): boolean {
  return a.size === b.size && a.mtimeNs === b.mtimeNs && a.inode === b.inode;
}

export function changedError(path: string): CapstanError {
  return new CapstanError(`${path} changed while it was being read`, {
    code: "archive-changed",
    hint: "Wait until whatever writes it is done, and try again.",
  });
}

/** As large as zlib's own buffers should be for it to run at full speed. */
const CHUNK_SIZE = MiB;

/** Asks before it opens: the opening of a FIFO would wait for a writer. */
async function openRegularFile(path: string): Promise<FileHandle> {
  const what = `Reading ${path}`;
  const stats = await doing(what, () => stat(path));
  if (stats.isFile()) return doing(what, () => open(path, "r"));
  throw new CapstanError(`${path} is not a file`, {
    code: "archive-not-a-file",
    hint: "Name a package (NAME.mpm).",
  });
}

async function identityOf(file: FileHandle): Promise<FileIdentity> {
  const stats = await file.stat({ bigint: true });
  return { size: Number(stats.size), mtimeNs: String(stats.mtimeNs), inode: String(stats.ino) };
}

async function isGzip(file: FileHandle): Promise<boolean> {
  const { bytesRead, buffer } = await file.read(Buffer.alloc(2), 0, 2, 0);
  // RFC 1952, 2.3.1: ID1 and ID2.
  return bytesRead === 2 && buffer[0] === 0x1f && buffer[1] === 0x8b;
}

async function* plain(file: FileHandle): AsyncGenerator<Uint8Array> {
  for (let position = 0; ; ) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafeSlow(CHUNK_SIZE), 0, CHUNK_SIZE, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

async function* gunzipped(file: FileHandle, path: string): AsyncGenerator<Uint8Array> {
  const gunzip = createGunzip({ chunkSize: CHUNK_SIZE });
  // Not as objects, of which sixteen would be read ahead.
  const compressed = Readable.from(plain(file), { objectMode: false, highWaterMark: 1 });
  // Errors of either side reach the loop below through the readable side.
  pipeline(compressed, gunzip, () => {});
  try {
    yield* gunzip;
    const junk = await findJunk(file, gunzip.bytesWritten);
    if (junk !== undefined) throw damaged(path, "there is something behind its compressed data");
  } catch (error) {
    throw gzipError(error, path);
  } finally {
    gunzip.destroy();
  }
}

/** Behind the last member zlib passes over zeros, which are usual as padding, and over all that follows them. */
async function findJunk(file: FileHandle, start: number): Promise<number | undefined> {
  const buffer = Buffer.alloc(CHUNK_SIZE / 16);
  for (let position = start; ; ) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
    if (bytesRead === 0) return undefined;
    if (!isZero(buffer.subarray(0, bytesRead))) return position;
    position += bytesRead;
  }
}

function gzipError(error: unknown, path: string): unknown {
  if (isErrno(error, "Z_BUF_ERROR")) return damaged(path, "it is cut off", error);
  if (isErrno(error, "Z_DATA_ERROR", "Z_NEED_DICT", "Z_STREAM_ERROR")) {
    return damaged(path, `its compressed data cannot be read (${error.message})`, error);
  }
  return error;
}

function damaged(path: string, problem: string, cause?: unknown): CapstanError {
  return new CapstanError(`${path} is damaged: ${problem}`, {
    code: "archive-damaged",
    hint: "Get or build the package again.",
    cause,
  });
}
