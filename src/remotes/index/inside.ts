import { realpathSync, type Stats, statSync } from "node:fs";
import { join, sep } from "node:path";
import { isErrno } from "../../support/errors.ts";
import { isSegment } from "./relative-path.ts";

export interface InsideFile {
  /** Without links: what is to be opened. */
  readonly path: string;
  readonly stats: Stats;
}

/**
 * A regular file below a folder by its path there, or undefined where there is none: also where a link leads out of the
 * folder, and where a name begins with a dot. `root` has to be free of links: see `realRoot`.
 */
export function fileInside(root: string, path: string): InsideFile | undefined {
  if (!path.split("/").every(isSegment)) return undefined;
  const real = realPath(join(root, path));
  if (real === undefined || !isBelow(root, real)) return undefined;
  const stats = statSync(real, { throwIfNoEntry: false });
  return stats?.isFile() === true ? { path: real, stats } : undefined;
}

/** The folder without links; undefined when there is none. */
export function realRoot(folder: string): string | undefined {
  const real = realPath(folder);
  return real !== undefined && statSync(real).isDirectory() ? real : undefined;
}

/** A hidden folder on the way counts as outside: what lies there is the tool's own. */
function isBelow(root: string, path: string): boolean {
  const prefix = root.endsWith(sep) ? root : root + sep;
  return path.startsWith(prefix) && path.slice(prefix.length).split(sep).every(isSegment);
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync.native(path);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "ELOOP", "EACCES", "ENAMETOOLONG")) return undefined;
    throw error;
  }
}
