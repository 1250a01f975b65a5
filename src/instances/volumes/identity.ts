import { type BigIntStats, statSync } from "node:fs";

/** Tells one disk from another, whatever path leads to it; undefined when nothing is there. */
export function diskIdentity(path: string): string | undefined {
  let status: BigIntStats | undefined;
  try {
    status = statSync(path, { bigint: true, throwIfNoEntry: false });
  } catch {
    return undefined;
  }
  if (status === undefined) return undefined;
  return status.isBlockDevice() ? `device ${status.rdev}` : `${status.dev}:${status.ino}`;
}
