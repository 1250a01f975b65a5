import { setImmediate } from "node:timers/promises";
import type { FileEntry, FileTree, TreeEntry } from "../filesystems/filetree.ts";
import { compareBytes } from "../filesystems/names.ts";
import { openContent } from "../filesystems/tree-space.ts";
import { type WalkedEntry, walk } from "../filesystems/tree-walk.ts";
import { MiB } from "../support/bytes.ts";
import { checkAborted } from "../support/errors.ts";

/** What differs between two images at one path. Sizes are of files, in bytes; null where there is no file. */
export interface Difference {
  readonly path: string;
  readonly change: "added" | "removed" | "changed";
  readonly type: TreeEntry["type"];
  readonly before: number | null;
  readonly after: number | null;
  /** Of what changed: its type, its content, where a link leads, or its mode. */
  readonly what?: "type" | "content" | "target" | "mode";
}

/**
 * Compares two trees entry by entry, in the order of the paths. Contents are compared byte by byte where the sizes are equal.
 * Modes count only where both file systems keep them; times and owners do not count.
 */
export async function diffTrees(
  before: FileTree,
  after: FileTree,
  options: { readonly modes: boolean; readonly signal: AbortSignal },
): Promise<readonly Difference[]> {
  const older = new Map(entriesOf(before));
  const differences: Difference[] = [];
  for (const [path, entry] of entriesOf(after)) {
    checkAborted(options.signal);
    const old = older.get(path);
    older.delete(path);
    const type = entry.type;
    if (old === undefined) {
      differences.push({ path, change: "added", type, before: null, after: sizeOf(entry) });
      continue;
    }
    const what = await changeOf(path, { old, entry }, options);
    if (what !== undefined)
      differences.push({ path, change: "changed", type, before: sizeOf(old), after: sizeOf(entry), what });
  }
  for (const [path, old] of older) {
    differences.push({ path, change: "removed", type: old.type, before: sizeOf(old), after: null });
  }
  return differences.sort((a, b) => compareBytes(a.path, b.path));
}

function* entriesOf(tree: FileTree): Generator<[string, TreeEntry]> {
  for (const { path, entry } of walk(tree) as Iterable<WalkedEntry>) yield [path, entry];
}

function sizeOf(entry: TreeEntry): number | null {
  return entry.type === "file" ? entry.size : null;
}

interface Pair {
  readonly old: TreeEntry;
  readonly entry: TreeEntry;
}

async function changeOf(
  path: string,
  { old, entry }: Pair,
  { modes, signal }: { readonly modes: boolean; readonly signal: AbortSignal },
): Promise<Difference["what"]> {
  if (old.type !== entry.type) return "type";
  if (old.type === "symlink" && entry.type === "symlink") return old.target === entry.target ? undefined : "target";
  if (old.type === "file" && entry.type === "file" && !(await sameContent(path, { a: old, b: entry }, signal)))
    return "content";
  return modes && old.mode !== entry.mode ? "mode" : undefined;
}

const PIECE = MiB;
const BETWEEN_PAUSES = 32 * PIECE;

/** With pauses, in which an interruption is noticed: a file of a forged image may be all but endless. */
async function sameContent(
  path: string,
  { a, b }: { readonly a: FileEntry; readonly b: FileEntry },
  signal: AbortSignal,
): Promise<boolean> {
  if (a.size !== b.size) return false;
  const [left, right] = [openContent(path, a), openContent(path, b)];
  try {
    const length = Math.min(PIECE, a.size);
    const [one, other] = [Buffer.allocUnsafe(length), Buffer.allocUnsafe(length)];
    for (let at = 0; at < a.size; at += length) {
      if (at > 0 && at % BETWEEN_PAUSES === 0) await setImmediate();
      checkAborted(signal);
      const count = Math.min(length, a.size - at);
      left.read(one.subarray(0, count), at);
      right.read(other.subarray(0, count), at);
      if (one.compare(other, 0, count, 0, count) !== 0) return false;
    }
    return true;
  } finally {
    left.close();
    right.close();
  }
}
