import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { temporaryBeside } from "../../support/atomic.ts";
import { isErrno } from "../../support/errors.ts";
import type { ListedFile } from "./offers.ts";

/**
 * Small files that were fetched in a state that the listing names: as long as it names the same, no request is needed. Each begins with
 * a digest of the rest, so that a damaged one counts as none.
 */
export function readCachedText(folder: string, listed: ListedFile): Buffer | undefined {
  const path = cachePath(folder, listed);
  if (path === undefined) return undefined;
  const content = tryRead(path);
  if (content === undefined || content.length < DIGEST_LENGTH) return undefined;
  const text = content.subarray(DIGEST_LENGTH);
  return content.subarray(0, DIGEST_LENGTH).equals(digest(text)) ? text : undefined;
}

/** Whole or not at all; not synced, since a damaged one is fetched again. That it fails, on a full disk, is no error. */
export function writeCachedText(folder: string, listed: ListedFile, text: Buffer): void {
  const path = cachePath(folder, listed);
  if (path === undefined) return;
  const temporary = temporaryBeside(path);
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(temporary, Buffer.concat([digest(text), text]), { flag: "wx" });
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    if (!(error instanceof Error && "code" in error)) throw error;
  }
}

const DIGEST_LENGTH = 32;

function cachePath(folder: string, { file, state }: ListedFile): string | undefined {
  if (state === undefined) return undefined;
  const key = createHash("sha256").update(`${file.url}\n${state}`).digest("hex").slice(0, 40);
  return join(folder, "texts", key);
}

function digest(text: Uint8Array): Buffer {
  return createHash("sha256").update(text).digest();
}

function tryRead(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "EACCES", "EISDIR", "EIO")) return undefined;
    throw error;
  }
}
