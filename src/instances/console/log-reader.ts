import { doing } from "../../support/errors.ts";
import { Changes } from "./changes.ts";
import { openNext, openSegment, type Segment } from "./log-segment.ts";
import { findStart, type Position, type StartOptions } from "./log-start.ts";

export interface ReadLogOptions extends StartOptions {
  /** Whether to wait for more, until `isOver` or the signal says that there will be none. */
  readonly follow?: boolean | undefined;
  /** Asked when all has been read: whether the one that writes has ended. */
  readonly isOver?: (() => boolean) | undefined;
  /** Its abort is the end, and no error. */
  readonly signal?: AbortSignal | undefined;
  /** Called when rotation was faster than the reader, and something in between is not there any more. */
  readonly onLost?: (() => void) | undefined;
}

/** A part of the log, and where it lies. */
export interface LogPiece {
  readonly bytes: Buffer;
  /** Of its segment. */
  readonly identity: string;
  /** In its segment. */
  readonly offset: number;
}

/**
 * What the guest has said, byte for byte: nothing twice, and nothing left out as long as the reader keeps up. Any number
 * of readers may read, while it is written and rotated, or when nothing runs any more.
 * @throws CapstanError `os-…` when the log is there and cannot be read
 */
export async function* readLog(options: ReadLogOptions): AsyncGenerator<Buffer, void, undefined> {
  for await (const { bytes } of readPieces(options)) yield bytes;
}

/** The same with the places. */
export async function* readPieces(options: ReadLogOptions): AsyncGenerator<LogPiece, void, undefined> {
  const { folder, follow = false, isOver = () => false, signal } = options;
  const changes = follow ? new Changes(folder) : undefined;
  let current = await findStart(options);
  try {
    const end = follow ? undefined : await presentEnd(folder);
    while (!signal?.aborted) {
      // Asked before the last look: what is said in between is not left out.
      const over = !follow || isOver();
      current ??= await findStart(options);
      if (current !== undefined) {
        current = yield* drain(current, end, signal);
        if (current.segment.identity === end?.identity) return;
        const next = await nextOf(current, options);
        if (next !== undefined) {
          // The writer has left the one before: what it wrote last is there now.
          current = yield* drain(current, end, signal);
          await current.segment.file.close();
          current = next;
          continue;
        }
      }
      if (over) return;
      await changes?.wait(signal);
    }
  } finally {
    changes?.close();
    await current?.segment.file.close();
  }
}

const BLOCK = 64 * 1024;

/** Reads to the segment's end, as it is by then. */
async function* drain(
  { segment, offset }: Position,
  end: End | undefined,
  signal: AbortSignal | undefined,
): AsyncGenerator<LogPiece, Position, undefined> {
  const { file, identity } = segment;
  const last = end?.identity === identity ? end.size : Number.POSITIVE_INFINITY;
  let at = offset;
  while (at < last && !signal?.aborted) {
    const block = Buffer.allocUnsafeSlow(Math.min(BLOCK, last - at));
    const { bytesRead } = await doing("Reading the console's log", () => file.read(block, 0, block.length, at));
    if (bytesRead === 0) break;
    yield { bytes: block.subarray(0, bytesRead), identity, offset: at };
    at += bytesRead;
  }
  return { segment, offset: at };
}

async function nextOf({ segment }: Position, { folder, onLost }: ReadLogOptions): Promise<Position | undefined> {
  const next = await openNext(folder, segment);
  if (next?.lost) onLost?.();
  return next === undefined ? undefined : { segment: next.segment, offset: 0 };
}

interface End {
  readonly identity: string;
  readonly size: number;
}

/** For who wants no more than there is: a guest may write faster than somebody reads. */
async function presentEnd(folder: string): Promise<End | undefined> {
  const segment: Segment | undefined = await openSegment(folder, 0);
  if (segment === undefined) return undefined;
  try {
    return { identity: segment.identity, size: (await segment.file.stat()).size };
  } finally {
    await segment.file.close();
  }
}
