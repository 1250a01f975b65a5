import { readFileSync } from "node:fs";
import { decodeName } from "../support/name-bytes.ts";

/**
 * The arguments as strings that name the files that were meant: Node.js shows U+FFFD for bytes that are no UTF-8, and only
 * the kernel's record has them (proc(5); other systems have UTF-8 alone).
 */
export function withOddBytes(shown: readonly string[], record = "/proc/self/cmdline"): readonly string[] {
  if (!shown.some((text) => text.includes("\ufffd"))) return shown;
  try {
    const given = decodeName(readFileSync(record)).split("\0").slice(0, -1).slice(-shown.length);
    return given.length === shown.length ? given : shown;
  } catch {
    return shown;
  }
}
