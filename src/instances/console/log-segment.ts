import { type FileHandle, open, stat } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { isErrno, withNoun } from "../../support/errors.ts";
import { identityOf, MOST_SEGMENTS, segmentPath, segmentSlots } from "./files.ts";

/** An open file of the log, which stays the same one whatever it is called by now. */
export interface Segment {
  readonly file: FileHandle;
  readonly identity: string;
}

/** The segment in that slot; undefined where there is none. */
export async function openSegment(folder: string, slot: number): Promise<Segment | undefined> {
  const path = segmentPath(folder, slot);
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return undefined;
    throw withNoun(error, `Reading ${path}`);
  }
  return { file, identity: identityOf(await file.stat({ bigint: true })) };
}

/** All of them, the newest first. */
export async function openSegments(folder: string): Promise<Segment[]> {
  const segments: Segment[] = [];
  for (let slot = 0; slot < MOST_SEGMENTS; slot++) {
    const segment = await openSegment(folder, slot);
    if (segment === undefined) {
      // A gap is there while the files are renamed, and after a writer was killed in the midst of that.
      if (segmentSlots(folder).some((other) => other > slot)) continue;
      break;
    }
    // Renamed between two looks.
    if (segments.some(({ identity }) => identity === segment.identity)) await segment.file.close();
    else segments.push(segment);
  }
  return segments;
}

export interface Next {
  readonly segment: Segment;
  /** Whether others that were between the two are gone already. */
  readonly lost: boolean;
}

/** The segment that was begun after `current`; undefined while that is the newest. */
export async function openNext(folder: string, current: Segment): Promise<Next | undefined> {
  for (let tries = 0; ; tries++) {
    const slot = await slotOf(folder, current);
    if (slot === 0) return undefined;
    const isLast = tries >= GAP_TRIES;
    if (slot === undefined) {
      const isRemoved = (await current.file.stat()).nlink === 0;
      const segment = isRemoved ? await openFirstOf(folder, segmentSlots(folder).reverse()) : undefined;
      if (segment !== undefined) return { segment, lost: true };
    } else {
      // A gap that stays was left by a writer that was killed; then what comes behind it is next.
      const slots = isLast ? range(slot - 1) : [slot - 1];
      const segment = await openFirstOf(folder, slots);
      // It moves up before the one behind it does: where it still is, the other one was its neighbour.
      if (segment !== undefined && (await slotOf(folder, current)) === slot) return { segment, lost: false };
      await segment?.file.close();
    }
    if (isLast) return undefined;
    await delay(GAP_MS);
  }
}

/** How long files may take to be renamed. */
const GAP_MS = 5;
const GAP_TRIES = 40;

function range(from: number): number[] {
  return Array.from({ length: from + 1 }, (_, index) => from - index);
}

/** The first of the slots that is taken. */
async function openFirstOf(folder: string, slots: readonly number[]): Promise<Segment | undefined> {
  for (const slot of slots) {
    const segment = await openSegment(folder, slot);
    if (segment !== undefined) return segment;
  }
  return undefined;
}

/** Looked for in the order in which segments are renamed, so that none slips by. */
async function slotOf(folder: string, { identity }: Segment): Promise<number | undefined> {
  for (let slot = 0; slot <= (segmentSlots(folder).at(-1) ?? -1) + 1; slot++) {
    if ((await identityAt(segmentPath(folder, slot))) === identity) return slot;
  }
  return undefined;
}

async function identityAt(path: string): Promise<string | undefined> {
  try {
    return identityOf(await stat(path, { bigint: true }));
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return undefined;
    throw withNoun(error, `Reading ${path}`);
  }
}
