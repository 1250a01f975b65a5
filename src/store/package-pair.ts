import { readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { temporaryBeside, writeSynced } from "../support/atomic.ts";
import { isErrno } from "../support/errors.ts";
import { isRecord } from "../support/records.ts";
import type { PackagePaths } from "./layout.ts";
import { isSameFile } from "./same-file.ts";

/**
 * Puts both files of a package into their places. Two renames cannot be one: what is to be done is written down first, and whoever
 * comes to the package after the process was killed in between completes it. To be called under the lock of the package.
 * An archive that is there already stays, for somebody may be reading it: false.
 */
export function publishPair(from: PackagePaths, to: PackagePaths): boolean {
  const isNew = !isSameFile(from.archive, to.archive);
  if (isNew) {
    const note = { archive: markOf(from.archive), manifest: readFileSync(from.manifest, "utf8") };
    writeSynced(notePath(to), JSON.stringify(note), { flag: "w" });
    renameSync(from.archive, to.archive);
  }
  renameSync(from.manifest, to.manifest);
  rmSync(notePath(to), { force: true });
  return isNew;
}

/** Completes what a process that was killed had begun. Where the store may only be read, it stays as it is. */
export function completePair(paths: PackagePaths): void {
  const note = readNote(notePath(paths));
  if (note === undefined) return;
  const temporary = temporaryBeside(paths.manifest);
  try {
    // Otherwise the archive is still the one before, and so is the manifest.
    if (note.archive !== markOf(paths.archive)) return;
    writeSynced(temporary, note.manifest);
    if (note.archive === markOf(paths.archive)) renameSync(temporary, paths.manifest);
    rmSync(notePath(paths), { force: true });
  } catch (error) {
    if (!isErrno(error, "EACCES", "EPERM", "EROFS")) throw error;
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** Forgets it, for the package is removed. */
export function forgetPair(paths: PackagePaths): void {
  rmSync(notePath(paths), { force: true });
}

function notePath({ archive }: PackagePaths): string {
  return join(dirname(archive), `.${basename(archive)}.next`);
}

interface Note {
  readonly archive: string;
  readonly manifest: string;
}

/** One that was cut off is of before the first rename: there is nothing to complete. */
function readNote(path: string): Note | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(path, "utf8"));
    if (!isRecord(value) || typeof value.archive !== "string" || typeof value.manifest !== "string") return undefined;
    return { archive: value.archive, manifest: value.manifest };
  } catch (error) {
    if (error instanceof SyntaxError || isErrno(error, "ENOENT", "EACCES")) return undefined;
    throw error;
  }
}

/** Tells a file from every other one, whatever its name; undefined where there is none. */
function markOf(path: string): string | undefined {
  const stats = statSync(path, { throwIfNoEntry: false, bigint: true });
  return stats === undefined ? undefined : `${stats.ino} ${stats.size} ${stats.mtimeNs}`;
}
