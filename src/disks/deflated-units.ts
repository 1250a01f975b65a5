import { setImmediate } from "node:timers/promises";
import { deflate, deflateRaw, type ZlibOptions } from "node:zlib";
import { isZero, MiB } from "../support/bytes.ts";
import { checkAborted } from "../support/errors.ts";
import type { BlockDevice } from "./block-device.ts";
import { dataMeter } from "./plausible.ts";

/** One unit of a disk that is not all zeros. */
export interface DeflatedUnit {
  readonly index: number;
  /** As it is on the disk; its last unit is filled up with zeros. */
  readonly plain: Buffer;
  readonly packed: Buffer;
}

export interface DeflateOptions {
  /** In bytes. */
  readonly unitSize: number;
  /** With the header and checksum of zlib, or without. */
  readonly wrapping: "zlib" | "raw";
  /** As zlib has them. */
  readonly zlib: ZlibOptions;
  readonly signal?: AbortSignal | undefined;
  /** Called with the number of bytes of the disk that are behind. */
  readonly onProgress?: ((done: number) => void) | undefined;
}

/** Enough to keep Node's four helper threads busy while one thread writes. */
const AT_ONCE = 12;
const BYTES_BETWEEN_PAUSES = 8 * MiB;

/** Compresses a disk unit by unit, several at once, and yields them in order. Units of zeros are left out. */
export async function* deflatedUnits(device: BlockDevice, options: DeflateOptions): AsyncGenerator<DeflatedUnit> {
  const queue: Promise<DeflatedUnit>[] = [];
  for await (const { index, plain } of units(device, options)) {
    queue.push(pack(index, plain, options));
    // Errors are met where the unit's turn comes.
    queue.at(-1)?.catch(() => {});
    if (queue.length < AT_ONCE) continue;
    checkAborted(options.signal);
    const done = await queue.shift();
    if (done !== undefined) yield done;
    options.onProgress?.((index + 1) * options.unitSize);
  }
  for (const rest of queue) yield await rest;
}

interface Unit {
  readonly index: number;
  readonly plain: Buffer;
}

/** Zeros are passed over with pauses: an interruption would not be noticed in a vast empty disk. */
async function* units(device: BlockDevice, { unitSize, signal }: DeflateOptions): AsyncGenerator<Unit> {
  const count = dataMeter(device);
  for (let at = 0, lastPause = 0; at < device.size; ) {
    if (at - lastPause >= BYTES_BETWEEN_PAUSES) {
      lastPause = at;
      await setImmediate();
      checkAborted(signal);
    }
    const zeros = device.zeroRun?.(at, device.size - at) ?? 0;
    const skipped = zeros - (zeros % unitSize);
    if (skipped > 0) {
      at += skipped;
      // A look into the tables of a vast empty disk takes as long as reading some data.
      lastPause = Number.NEGATIVE_INFINITY;
      continue;
    }
    count(unitSize);
    const plain = Buffer.alloc(unitSize);
    device.read(plain.subarray(0, Math.min(unitSize, device.size - at)), at);
    if (!isZero(plain)) yield { index: at / unitSize, plain };
    at += unitSize;
  }
}

function pack(index: number, plain: Buffer, { wrapping, zlib }: DeflateOptions): Promise<DeflatedUnit> {
  return new Promise((resolve, reject) => {
    const done = (error: Error | null, packed: Buffer) => {
      if (error !== null) reject(error);
      else resolve({ index, plain, packed });
    };
    if (wrapping === "zlib") deflate(plain, zlib, done);
    else deflateRaw(plain, zlib, done);
  });
}
