import { setTimeout } from "node:timers/promises";
import { type CpioPlan, writeCpio } from "../filesystems/cpio/writer.ts";
import type { Context } from "../support/context.ts";
import { CapstanError, checkAborted } from "../support/errors.ts";
import { connectUpload, type UploadConnection } from "./upload-connection.ts";
import { isNobodyYet, type UploadTarget } from "./upload-errors.ts";

export type { UploadTarget } from "./upload-errors.ts";

export interface Uploaded {
  /** Of the archive. */
  readonly bytes: number;
}

/**
 * Sends a planned tree to OSv's cpiod as a cpio archive, and waits until the guest has taken and synced all of it, which
 * it shows by ending the connection. Where nobody listens yet, it is tried again until `waitMs` are over.
 *
 * Errors: CapstanError `upload-refused`, `upload-cut`, `upload-stalled`, `upload-not-cpiod`, those of `writeCpio`.
 */
export async function uploadTree(plan: CpioPlan, target: UploadTarget, context: Context): Promise<Uploaded> {
  const started = context.now().getTime();
  for (;;) {
    try {
      return await attempt(plan, target, context);
    } catch (error) {
      checkAborted(context.signal);
      const waited = context.now().getTime() - started;
      if (!isNobodyYet(error) || waited >= target.waitMs) throw error;
      context.reporter.report({ kind: "detail", text: `${error.message}; trying again` });
      await pause(context.signal);
    }
  }
}

const PAUSE_MS = 250;

async function pause(signal: AbortSignal): Promise<void> {
  await setTimeout(PAUSE_MS, undefined, { signal }).catch(() => {});
  checkAborted(signal);
}

async function attempt(plan: CpioPlan, target: UploadTarget, context: Context): Promise<Uploaded> {
  const { signal, reporter } = context;
  const connection = await connectUpload(target, signal);
  try {
    await send(plan, connection, context);
    await connection.finish();
    return { bytes: plan.size };
  } finally {
    connection.close();
    reporter.report({ kind: "detail", text: `The connection to ${target.host}:${target.port} has ended` });
  }
}

async function send(plan: CpioPlan, connection: UploadConnection, { signal, reporter }: Context): Promise<void> {
  try {
    await writeCpio(plan, {
      signal,
      write: (chunk) => connection.write(chunk),
      onProgress: (done, total) =>
        reporter.report({ kind: "progress", text: "Sending files", done, total, unit: "bytes" }),
    });
  } catch (error) {
    // A file that cannot be read ends the upload in the middle: the guest's side does not survive that.
    if (error instanceof CapstanError && connection.failure !== error && connection.sent > 0) {
      reporter.report({
        kind: "warning",
        text: "The upload ended in the middle: the guest's cpiod stops at that, and the guest may hang",
        hint: "Start the guest again before the next try.",
      });
    }
    throw error;
  }
}
