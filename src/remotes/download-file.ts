import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { MiB } from "../support/bytes.ts";
import { checkAborted, isErrno } from "../support/errors.ts";
import { openPart, type Transferred } from "./download-part.ts";
import { progressOf } from "./download-progress.ts";
import { bootId } from "./download-record.ts";
import type { Transfer } from "./download-transfer.ts";
import { missing, pathOfFileUrl, refused } from "./http-file.ts";
import type { HttpContext } from "./http-tuning.ts";

/** Copies a file of this machine into the part and hashes it in the same pass. It is never resumed: reading is cheap. */
export async function copyFromFile(request: Transfer, context: HttpContext): Promise<Transferred> {
  const { file, what } = request;
  const source = open(pathOfFileUrl(file.url, what), { url: file.url, what });
  try {
    const before = fstatSync(source);
    if (!before.isFile()) throw refused({ url: file.url, what }, "it is not a file");
    const part = await openPart(request.part, { keep: () => 0, observer: request.observer, signal: context.signal });
    try {
      await part.restart({ url: file.url, sha256: undefined, validator: undefined, total: undefined, boot: bootId() });
      const progress = progressOf(what, context);
      const buffer = Buffer.allocUnsafeSlow(MiB);
      for (let read = readSync(source, buffer); read > 0; read = readSync(source, buffer)) {
        await part.append(buffer.subarray(0, read));
        progress(part.length, before.size);
        await setImmediate();
        checkAborted(context.signal);
      }
      const after = fstatSync(source);
      if (after.mtimeMs !== before.mtimeMs || after.size !== part.length) {
        throw refused({ url: file.url, what }, "it changes while it is copied");
      }
      return { size: part.length, sha256: await part.finish(), transferred: 0, glued: false };
    } finally {
      await part.close();
    }
  } finally {
    closeSync(source);
  }
}

/** Does not wait for the writer of a FIFO. */
function open(path: string, request: { readonly url: string; readonly what: string }): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) throw missing(request);
    throw error;
  }
}
