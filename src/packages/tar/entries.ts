import { byteLength, decodeName, isNameText } from "../../support/name-bytes.ts";

interface ArchiveEntryBase {
  /** `usr/lib/x.so`: no slash at either end, no `.`, `..` or empty part; the root is the empty string. */
  readonly path: string;
  /** Permission bits (0o7777). */
  readonly mode: number;
  /** Whole seconds since 1970. */
  readonly mtime: number;
}

export interface ArchiveFile extends ArchiveEntryBase {
  readonly type: "file";
  /** In bytes. */
  readonly size: number;
  /** Where the content starts in the uncompressed archive. */
  readonly offset: number;
}

export interface ArchiveLink extends ArchiveEntryBase {
  readonly type: "symlink";
  readonly target: string;
}

export interface ArchiveDirectory extends ArchiveEntryBase {
  readonly type: "directory";
}

export type ArchiveEntry = ArchiveFile | ArchiveLink | ArchiveDirectory;

/** Linux's PATH_MAX, and OSv's: no program could open what has a longer name. */
export const MAX_PATH_LENGTH = 4096;

/**
 * The path that a name in an archive stands for, or what is wrong with it.
 * `/a`, `a`, `./a` and `a/` are all `a`: package tools have written each of them.
 */
export function parseEntryName(bytes: Uint8Array): { readonly path: string } | { readonly problem: string } {
  const text = parseText(bytes);
  if ("problem" in text) return text;
  if (text.text.startsWith("//")) return { problem: "it starts with more than one '/'" };
  const parts = text.text.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) return { problem: "it contains '..', which could lead outside" };
  return { path: parts.join("/") };
}

/** A link's target is kept as it is written; nothing here or later follows it. */
export function parseLinkTarget(bytes: Uint8Array): { readonly target: string } | { readonly problem: string } {
  const text = parseText(bytes);
  return "problem" in text ? text : { target: text.text };
}

/** Whether `path` is what parseEntryName returns: what indexes read back from a cache have to satisfy. */
export function isEntryPath(path: string): boolean {
  return path === "" || (!UNCLEAN_PATH.test(path) && isNameText(path) && byteLength(path) <= MAX_PATH_LENGTH);
}

/** An empty part, `.`, `..` or a NUL. */
const UNCLEAN_PATH = /(^|\/)(\.\.?)?(\/|$)|\0/;

/**
 * The first entry that lies under something other than a directory, with that something.
 * A symlink there is how an archive would write through it to another place.
 */
export function findMisplaced(
  entries: ReadonlyMap<string, ArchiveEntry>,
): { readonly entry: ArchiveEntry; readonly under: ArchiveEntry } | undefined {
  const sound = new Set([""]);
  for (const entry of entries.values()) {
    for (let parent = parentOf(entry.path); !sound.has(parent); parent = parentOf(parent)) {
      const under = entries.get(parent);
      if (under !== undefined && under.type !== "directory") return { entry, under };
      sound.add(parent);
    }
  }
  return undefined;
}

function parseText(bytes: Uint8Array): { readonly text: string } | { readonly problem: string } {
  if (bytes.length === 0) return { problem: "it is empty" };
  if (bytes.length > MAX_PATH_LENGTH) return { problem: `it is longer than ${MAX_PATH_LENGTH} bytes` };
  if (bytes.includes(0)) return { problem: "it contains a NUL byte" };
  return { text: decodeName(bytes) };
}

function parentOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "" : path.slice(0, slash);
}
