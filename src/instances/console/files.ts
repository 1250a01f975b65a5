import { type BigIntStats, readdirSync } from "node:fs";
import { join } from "node:path";
import { isErrno } from "../../support/errors.ts";

/**
 * The console's log in an instance's folder: `console.log` is being written, `console.log.1` was before it, and so on.
 * Together, from the highest number down, they are what the guest has said, byte for byte.
 */
export function segmentPath(folder: string, slot: number): string {
  return join(folder, slot === 0 ? LOG : `${LOG}.${slot}`);
}

/** When what was said, for all of the segments: see times.ts. */
export function timesPath(folder: string): string {
  return join(folder, "console.times");
}

/** The slots that are taken, the newest (0) first. */
export function segmentSlots(folder: string): number[] {
  try {
    return readdirSync(folder)
      .flatMap((name) => {
        const found = /^console\.log(?:\.([1-9]\d?))?$/.exec(name);
        return found === null ? [] : [Number(found[1] ?? 0)];
      })
      .sort((a, b) => a - b);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return [];
    throw error;
  }
}

/** Whatever a segment is called by now, this stays. */
export function identityOf({ dev, ino }: BigIntStats): string {
  return `${dev}-${ino}`;
}

const LOG = "console.log";
/** Two digits. */
export const MOST_SEGMENTS = 100;
