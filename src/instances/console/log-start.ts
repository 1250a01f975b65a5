import type { FileHandle } from "node:fs/promises";
import { openSegments, type Segment } from "./log-segment.ts";
import { offsetAt } from "./times.ts";
import { readTimes } from "./times-writer.ts";

/** Where in the log a reader begins. */
export interface Position {
  readonly segment: Segment;
  readonly offset: number;
}

export interface StartOptions {
  readonly folder: string;
  /** Only what was said then (ms since 1970) or later, and the beginning of its first line. */
  readonly since?: number | undefined;
  /** Only so many of the last lines. */
  readonly tail?: number | undefined;
}

/** Finds the place; undefined where there is no log (yet). The caller closes the segment. */
export async function findStart({ folder, since, tail }: StartOptions): Promise<Position | undefined> {
  const segments = await openSegments(folder);
  let start = segments.length - 1;
  let offset = 0;
  try {
    const starts = [
      ...(since === undefined ? [] : [await startSince(folder, segments, since)]),
      ...(tail === undefined ? [] : [await startOfTail(segments, tail)]),
    ];
    for (const one of starts) {
      if (one.index < start || (one.index === start && one.offset > offset)) ({ index: start, offset } = one);
    }
  } finally {
    await Promise.all(segments.map(({ file }, index) => (index === start ? undefined : file.close())));
  }
  const segment = segments[start];
  return segment === undefined ? undefined : { segment, offset };
}

/** `index` counts from the newest one. */
interface Start {
  readonly index: number;
  readonly offset: number;
}

async function startSince(folder: string, segments: readonly Segment[], since: number): Promise<Start> {
  const times = readTimes(folder);
  let found: Start = { index: 0, offset: (await segments[0]?.file.stat())?.size ?? 0 };
  for (const [index, { file, identity }] of segments.entries()) {
    const known = times.findLast((one) => one.identity === identity);
    const offset = known === undefined ? ((await file.stat()).mtimeMs < since ? undefined : 0) : offsetAt(known, since);
    if (offset === undefined) break;
    found = { index, offset: await lineStart(file, offset) };
    if (offset > 0) break;
  }
  return found;
}

const BLOCK = 64 * 1024;

/** What arrives is seldom cut where lines are: of one whose end is wanted, the beginning is too. */
async function lineStart(file: FileHandle, offset: number): Promise<number> {
  const from = Math.max(0, offset - BLOCK);
  const before = Buffer.alloc(offset - from);
  const { bytesRead } = await file.read(before, 0, before.length, from);
  const newline = before.subarray(0, bytesRead).lastIndexOf(NEWLINE);
  return newline === -1 && from > 0 ? offset : from + newline + 1;
}

async function startOfTail(segments: readonly Segment[], lines: number): Promise<Start> {
  // The last line's own end is none that a line before it has.
  let ends = lines + 1;
  let isEnd = true;
  for (const [index, { file }] of segments.entries()) {
    for (let end = (await file.stat()).size; end > 0; ) {
      const from = Math.max(0, end - BLOCK);
      const block = Buffer.alloc(end - from);
      const { bytesRead } = await file.read(block, 0, block.length, from);
      const text = block.subarray(0, bytesRead);
      if (isEnd && text.at(-1) !== NEWLINE) ends--;
      isEnd = false;
      for (let at = text.lastIndexOf(NEWLINE); at !== -1; at = at === 0 ? -1 : text.lastIndexOf(NEWLINE, at - 1)) {
        if (--ends === 0) return { index, offset: from + at + 1 };
      }
      end = from;
    }
  }
  return { index: segments.length - 1, offset: 0 };
}

const NEWLINE = 0x0a;
