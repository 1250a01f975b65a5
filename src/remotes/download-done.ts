import { statSync } from "node:fs";
import type { Context } from "../support/context.ts";
import { isErrno } from "../support/errors.ts";
import { digestOf } from "../support/hash-file.ts";
import type { Downloaded, DownloadRequest } from "./download.ts";
import type { RemoteFile } from "./remote.ts";

/** What another one brought to its place while this one waited. */
export interface Finished {
  readonly url: string;
  readonly size: number;
  readonly sha256: string;
  /** Of the file in its place, so that nobody takes another one for it. */
  readonly placed: string;
}

/** What is in its place already: brought by somebody else just now, or of the digest that is wanted. Undefined otherwise. */
export async function findDone(
  { file, path }: DownloadRequest,
  finished: Finished | undefined,
  context: Context,
): Promise<Downloaded | undefined> {
  const placed = markOf(path);
  if (placed === undefined) return undefined;
  if (finished?.placed === placed && finished.url === file.url && fits(finished, file)) {
    return { size: finished.size, sha256: finished.sha256, transferred: 0 };
  }
  // The digest of a gzip file says nothing of what it was unpacked to.
  if (file.gzip || file.sha256 === undefined) return undefined;
  try {
    const size = statSync(path).size;
    if (file.size !== undefined && file.size !== size) return undefined;
    const there = { size, sha256: await digestOf(path, context.signal), transferred: 0 };
    return fits(there, file) ? there : undefined;
  } catch (error) {
    // Whoever brought it may be done with it meanwhile.
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}

/** Changes with each file that is put there; undefined where there is none. */
export function markOf(path: string): string | undefined {
  const status = statSync(path, { throwIfNoEntry: false });
  return status?.isFile() ? `${status.ino} ${status.size} ${status.mtimeMs}` : undefined;
}

function fits(found: { readonly size: number; readonly sha256: string }, file: RemoteFile): boolean {
  if (file.size !== undefined && file.size !== found.size) return false;
  return file.sha256 === undefined || file.sha256.toLowerCase() === found.sha256;
}
