import type { Context } from "../support/context.ts";

/** Tells how far it is, ten times a second at most, and at the end. */
export function progressOf(what: string, context: Context): (done: number, total: number | undefined) => void {
  let last = Number.NEGATIVE_INFINITY;
  return (done, total) => {
    const now = context.now().getTime();
    if (now - last < INTERVAL_MS && done !== total) return;
    last = now;
    context.reporter.report({ kind: "progress", text: `Downloading ${what}`, done, total, unit: "bytes" });
  };
}

const INTERVAL_MS = 100;
