import { rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { readNames, sweepTemporaries } from "../store/temporaries.ts";

/**
 * Deletes what downloads that nobody went on with have left: parts, their records and locks, and files that never came into the
 * store. All of one download goes at once, a week after the last of it changed; one that is under way touches its lock.
 */
export function sweepDownloads(folder: string, now: Date): void {
  sweepTemporaries(folder, now);
  const groups = new Map<string, string[]>();
  for (const name of readNames(folder)) {
    const key = OF_DOWNLOAD.exec(name)?.[1];
    if (key !== undefined) groups.set(key, [...(groups.get(key) ?? []), join(folder, name)]);
  }
  for (const paths of groups.values()) {
    const changed = Math.max(...paths.map((path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0));
    if (now.getTime() - changed < KEPT_MS) continue;
    for (const path of paths) rmSync(path, { force: true, recursive: true });
  }
}

/** The names of `fetchFile` and what stands beside them: `.part`, `.part.json`, `.part.lock` and locks of that. */
const OF_DOWNLOAD = /^([0-9a-f]{32})(?:\..*)?$/;
const KEPT_MS = 7 * 24 * 60 * 60 * 1000;
