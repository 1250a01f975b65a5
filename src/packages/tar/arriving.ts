import { createGunzip, type Gunzip } from "node:zlib";
import { MiB } from "../../support/bytes.ts";
import { readTar, type TarIndex, type TarReadOptions } from "./reader.ts";

/** Reads an archive while its bytes arrive, so that it need not be read again for what is in it. */
export interface ArrivingArchive {
  /** Nothing of what came counts any more. */
  restart(): void;
  /** Resolves when the bytes may be overwritten. Never rejects. */
  take(bytes: Uint8Array): Promise<void>;
  /**
   * To be called when all has come. Undefined where it is not what was expected, for whatever reason: it has to be read from the
   * file then, and that says what is wrong.
   */
  finish(): Promise<Arrived | undefined>;
  /** Whatever became of it. */
  close(): void;
}

export interface Arrived {
  readonly tar: TarIndex;
  /** How many bytes came. */
  readonly size: number;
  /** How many of them are gzip data; what is behind has not been looked at. */
  readonly compressed: number;
}

/** Of gzip-compressed archives. */
export function arrivingArchive(options: TarReadOptions): ArrivingArchive {
  let current: Reading | undefined;
  const drop = () => {
    current?.gunzip.destroy();
    current = undefined;
  };
  return {
    restart() {
      drop();
      current = begin(options);
    },
    async take(bytes) {
      if (current === undefined) return;
      current.size += bytes.length;
      await feed(current.gunzip, bytes);
    },
    async finish() {
      if (current === undefined) return undefined;
      const { gunzip, result, size } = current;
      gunzip.end();
      const tar = await result;
      const compressed = gunzip.bytesWritten;
      drop();
      return tar === undefined ? undefined : { tar, size, compressed };
    },
    close: drop,
  };
}

interface Reading {
  readonly gunzip: Gunzip;
  /** Undefined where it failed. */
  readonly result: Promise<TarIndex | undefined>;
  size: number;
}

function begin(options: TarReadOptions): Reading {
  const gunzip = createGunzip({ chunkSize: MiB / 4 });
  // What reads it is told as well.
  gunzip.on("error", () => {});
  const result = readTar(gunzip, options)
    .catch(() => undefined)
    // Whatever comes behind is not read, and whoever waits for its taking must not wait for ever.
    .finally(() => gunzip.destroy());
  return { gunzip, result, size: 0 };
}

/** What is closed, since it failed or came to its end, takes nothing more and does not say so. */
function feed(gunzip: Gunzip, bytes: Uint8Array): Promise<void> {
  if (gunzip.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      gunzip.off("close", done);
      resolve();
    };
    gunzip.once("close", done);
    gunzip.write(bytes, done);
  });
}
