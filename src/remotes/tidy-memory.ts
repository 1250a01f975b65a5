import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { MiB } from "../support/bytes.ts";

/**
 * Tells V8 of bytes that came from outside of its heap. It is in no hurry to free such buffers: some 64 MiB of them pile up in a
 * large transfer. To tidy up the young ones, every so often, takes a millisecond and half the memory.
 */
export function tidyAfter(bytes: number): void {
  since += bytes;
  if (since < EVERY) return;
  since = 0;
  collect ??= collector();
  collect();
}

const EVERY = 8 * MiB;
let since = 0;
let collect: (() => void) | undefined;

/** Node has no other way to it. Without it, all works as well, in more memory. */
function collector(): () => void {
  setFlagsFromString("--expose-gc");
  const gc: unknown = runInNewContext("globalThis.gc");
  return typeof gc === "function" ? () => gc({ type: "minor" }) : () => {};
}
