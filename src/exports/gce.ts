import { createWriteStream, existsSync, rmSync } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setImmediate } from "node:timers/promises";
import { createGzip } from "node:zlib";
import type { BlockDevice } from "../disks/block-device.ts";
import { dataMeter } from "../disks/plausible.ts";
import { encodeSparseHeader, paddingOf, type SparseRun } from "../packages/tar/layout.ts";
import { GiB, isZero, KiB, MiB, roundUp } from "../support/bytes.ts";
import { checkAborted, withNoun } from "../support/errors.ts";

export interface GceOptions {
  /** The time of the entry, in whole seconds since 1970. */
  readonly mtime: number;
  readonly signal?: AbortSignal | undefined;
  /** Called with the number of bytes of the disk that are behind. */
  readonly onProgress?: ((done: number) => void) | undefined;
}

/** Zeros are looked for, and left out, in units of this size. */
const UNIT = 64 * KiB;
const CHUNK = MiB;
const STEPS_BETWEEN_PAUSES = 128;

/**
 * Writes a disk as Google Compute Engine imports it, at a path where nothing is yet: a tar in GNU's old format, compressed
 * with gzip, whose only entry is `disk.raw`, of whole GiB and with its zeros left out.
 * Source: Google Cloud, "Import boot disk images to Compute Engine", section "Compress the image file".
 */
export async function writeGceTarball(device: BlockDevice, path: string, options: GceOptions): Promise<void> {
  try {
    await pipeline(
      Readable.from(tarOf(device, options)),
      createGzip(),
      createWriteStream(path, { flags: "wx", flush: true }),
    );
  } catch (error) {
    if (!isTaken(error) && existsSync(path)) rmSync(path);
    throw withNoun(error, `Writing ${path}`);
  }
}

function isTaken(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EEXIST";
}

async function* tarOf(device: BlockDevice, options: GceOptions): AsyncGenerator<Uint8Array> {
  const runs: SparseRun[] = [];
  for await (const run of dataRuns(device, options.signal)) runs.push(run);
  const size = Math.max(GiB, roundUp(device.size, GiB));
  yield encodeSparseHeader({ name: "disk.raw", mode: 0o644, mtime: options.mtime }, { size, runs });
  let stored = 0;
  for (const { offset, length } of runs) {
    for (let at = 0; at < length; at += CHUNK) {
      checkAborted(options.signal);
      const chunk = Buffer.allocUnsafe(Math.min(CHUNK, length - at));
      device.read(chunk, offset + at);
      yield chunk;
      options.onProgress?.(offset + at + chunk.length);
    }
    stored += length;
  }
  yield Buffer.alloc(paddingOf(stored) + END_SIZE);
}

/** Two blocks of zeros end a tar; the rest fills it up to the twenty blocks that GNU tar writes at once. */
const END_SIZE = 1024;

/** What of a disk is not zero, whole units at a time. With pauses, in which an interruption is noticed. */
async function* dataRuns(device: BlockDevice, signal: AbortSignal | undefined): AsyncGenerator<SparseRun> {
  const buffer = Buffer.allocUnsafe(UNIT);
  const count = dataMeter(device);
  let start = -1;
  for (let at = 0, steps = 0; at < device.size; steps++) {
    if (steps % STEPS_BETWEEN_PAUSES === 0) {
      await setImmediate();
      checkAborted(signal);
    }
    const zeros = device.zeroRun?.(at, device.size - at) ?? 0;
    const skipped = zeros - (zeros % UNIT);
    const unit = buffer.subarray(0, Math.min(UNIT, device.size - at));
    if (skipped === 0) {
      count(unit.length);
      device.read(unit, at);
    }
    const isData = skipped === 0 && !isZero(unit);
    if (isData && start < 0) start = at;
    if (!isData && start >= 0) {
      yield { offset: start, length: at - start };
      start = -1;
    }
    at += skipped > 0 ? skipped : unit.length;
  }
  if (start >= 0) yield { offset: start, length: device.size - start };
}
