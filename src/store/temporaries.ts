import { type Dirent, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { temporaryOwner } from "../support/atomic.ts";
import { isErrno } from "../support/errors.ts";
import { isRunning } from "./lock.ts";

const DAY_MS = 24 * 60 * 60 * 1000;

/**
 * Deletes what processes that were killed have left in a folder. It has to be a day old as well: process numbers of
 * another container or machine on the same folder mean nothing here.
 */
export function sweepTemporaries(folder: string, now: Date): void {
  for (const name of readNames(folder)) {
    const owner = temporaryOwner(name);
    if (owner === undefined || isRunning(owner)) continue;
    const path = join(folder, name);
    const stats = statSync(path, { throwIfNoEntry: false });
    if (stats !== undefined && now.getTime() - stats.mtimeMs > DAY_MS) rmSync(path, { recursive: true, force: true });
  }
}

/** The names in a folder, sorted; none when there is no such folder. */
export function readNames(folder: string): string[] {
  return readFolder(folder).map((entry) => entry.name);
}

/** The names of all but folders: an image may have images of its namespace below it, named like its own files. */
export function readFileNames(folder: string): string[] {
  return readFolder(folder)
    .filter((entry) => !entry.isDirectory())
    .map((entry) => entry.name);
}

function readFolder(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return [];
    throw error;
  }
}
