import { unpackLimit } from "../packages/limits.ts";
import type { Context } from "../support/context.ts";
import { CapstanError, checkAborted, doing } from "../support/errors.ts";
import { findDone } from "./download-done.ts";
import { damaged } from "./download-errors.ts";
import { copyFromFile } from "./download-file.ts";
import { withDownloadLock } from "./download-lock.ts";
import { forgetPart, type Observer, type Transferred } from "./download-part.ts";
import { transfer } from "./download-transfer.ts";
import { putInPlace } from "./download-unpack.ts";
import { isFileUrl, parseHttpUrl } from "./http-url.ts";
import type { RemoteFile } from "./remote.ts";

export interface DownloadRequest {
  readonly file: RemoteFile;
  /** Where it is to be in the end; it comes there by a rename, whole and verified, or not at all. */
  readonly path: string;
  /**
   * Where it grows: kept after a failure, so that the next attempt resumes. Default: `path` with `.part`. Files beside it hold what
   * it is a part of (`.json`) and who is at it (`.lock`); only the part and its `.json` stay after a failure, nothing after success.
   */
  readonly part?: string | undefined;
  /** For messages and progress: "osv.bootstrap.mpm". */
  readonly what: string;
  /**
   * How many bytes it may have where nobody says how many there are, and how many a gzip file may unpack to. That of unpackLimit.
   */
  readonly limit?: number | undefined;
  /** Sees the bytes as they are transferred; all of them unless somebody else brought the file. */
  readonly observer?: Observer | undefined;
}

export interface Downloaded {
  /** Of the bytes as they were transferred. */
  readonly size: number;
  readonly sha256: string;
  /** Bytes that came over the network this time. */
  readonly transferred: number;
}

/**
 * Fetches a file of any size, in flat memory, hashing while it writes: resumed with Range and If-Range, retried with back-off,
 * length and digest verified, synced, renamed. `file:` addresses are copied the same way.
 * Who downloads the same target at the same time waits, and takes what the first one brought.
 * Errors: those of fetchDocument, `remote-damaged` (length, digest, gzip), `os-…`; InterruptedError leaves the part.
 */
export async function download(request: DownloadRequest, context: Context): Promise<Downloaded> {
  const part = request.part ?? `${request.path}.part`;
  if (!isFileUrl(request.file.url)) parseHttpUrl(request.file.url, request.what);
  const whole = { ...request, part, limit: request.limit ?? unpackLimit(context) };
  return await doing(`Downloading ${request.what} to ${request.path}`, () =>
    withDownloadLock(whole, context, async (lock) => {
      const there = await findDone(request, lock.finished, context);
      if (there !== undefined) {
        forgetPart(part);
        return there;
      }
      const came = await fetchVerified(whole, context);
      checkAborted(context.signal);
      lock.checkHeld();
      await putInPlace(whole, context);
      forgetPart(part);
      return came;
    }),
  );
}

type Whole = DownloadRequest & { readonly part: string; readonly limit: number };

/** A part of an earlier run may be damaged, by a loss of power for example: then all of it is fetched once more. */
async function fetchVerified(request: Whole, context: Context): Promise<Downloaded> {
  let before = 0;
  for (let isFirst = true; ; isFirst = false) {
    const { size, sha256, transferred, glued } = await fetchAll(request, context);
    const problem = mismatch(request, { size, sha256 });
    if (problem === undefined) return { size, sha256, transferred: before + transferred };
    forgetPart(request.part);
    if (!glued || !isFirst) throw damaged(request, problem);
    before = transferred;
  }
}

async function fetchAll(request: Whole, context: Context): Promise<Transferred> {
  try {
    return isFileUrl(request.file.url) ? await copyFromFile(request, context) : await transfer(request, context);
  } catch (error) {
    // There is nothing to go on with.
    if (error instanceof CapstanError && error.code === "remote-damaged") forgetPart(request.part);
    throw error;
  }
}

function mismatch({ file }: DownloadRequest, came: Omit<Downloaded, "transferred">): string | undefined {
  if (file.size !== undefined && file.size !== came.size) {
    return `it has ${came.size} bytes, and should have ${file.size}`;
  }
  if (file.sha256 === undefined || file.sha256.toLowerCase() === came.sha256) return undefined;
  return `its SHA-256 is ${came.sha256}, and should be ${file.sha256.toLowerCase()}`;
}
