import { type FileHandle, open } from "node:fs/promises";
import { createGzip } from "node:zlib";
import { MiB } from "../../support/bytes.ts";

/** A new gzip file that depends on nothing but what is written into it, and on zlib. */
export interface GzipFile {
  /** Resolves when the chunk may be overwritten. */
  write(chunk: Uint8Array): Promise<void>;
  /** Completes the file and brings it to the disk. */
  finish(): Promise<void>;
  /** Closes the file as it is, complete or not. */
  close(): Promise<void>;
}

/** Fails when there is a file of that path. */
export async function createGzipFile(path: string): Promise<GzipFile> {
  const file = await open(path, "wx", 0o644);
  const gzip = createGzip({ level: LEVEL, chunkSize: MiB });
  const written = drain(gzip, file);
  // Whoever waits for the next write or the end gets the error; it must not be an unhandled one until then.
  written.catch((error: Error) => gzip.destroy(error));
  return {
    write: (chunk) => race(written, (done) => gzip.write(chunk, done)),
    async finish() {
      gzip.end();
      await written;
      await file.write(UNKNOWN_SYSTEM, 0, 1, SYSTEM_OFFSET);
      await file.sync();
    },
    async close() {
      gzip.destroy();
      await file.close();
    },
  };
}

/** zlib's default; a constant because the bytes of a package must not hang on somebody's preference. */
const LEVEL = 6;

/** RFC 1952, 2.3: the byte that names the operating system. zlib puts in the one it was built for. */
const SYSTEM_OFFSET = 9;
const UNKNOWN_SYSTEM = Uint8Array.of(255);

async function drain(gzip: AsyncIterable<Uint8Array>, file: FileHandle): Promise<void> {
  for await (const chunk of gzip) {
    for (let start = 0; start < chunk.length; ) start += (await file.write(chunk, start)).bytesWritten;
  }
}

/** Waits for a callback, or for the failure of what would have called it. */
function race(failure: Promise<void>, start: (done: (error?: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    failure.catch(reject);
    start((error) => (error ? reject(error) : resolve()));
  });
}
