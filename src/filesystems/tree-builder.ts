import { CapstanError } from "../support/errors.ts";
import type { DirectoryEntry, FileTree, TreeEntry } from "./filetree.ts";
import { checkName, checkPathLength, quotePath } from "./names.ts";
import { type Place, resolveLink } from "./tree-walk.ts";

/** What `insert` did to an entry that was there before; both sides are shown with --verbose. */
export interface Replacement {
  /** With a leading slash, as the later entry names it. */
  readonly path: string;
  readonly before: EntryLabel;
  readonly after: EntryLabel;
  /** Set when the entry of before, a link, has stayed: the directory that it leads to, which has taken the later one in. */
  readonly through?: string;
}

export interface EntryLabel {
  readonly type: TreeEntry["type"];
  readonly origin: string;
}

export interface InsertOptions {
  readonly onReplace?: ((replacement: Replacement) => void) | undefined;
}

/** An empty tree; the mode, time and origin of its root are those of the first root that is inserted. */
export function createTree(): FileTree {
  return impliedDirectory("");
}

/**
 * Puts `entry` at `path` ("a/b", "/a/b"; "/" and "" are the root). A directory brings all that is below it:
 * it is merged entry by entry, so inserting a whole tree at "/" is how packages are laid over one another.
 *
 * Later lies over earlier, and nothing that holds other entries is ever lost:
 *
 * | there before             | a file or link comes         | a directory comes                                    |
 * |--------------------------|------------------------------|------------------------------------------------------|
 * | nothing                  | placed                       | placed                                               |
 * | file                     | replaced, reported           | replaced, reported; error when it is only implied    |
 * | link to a directory      | replaced itself, reported    | the link stays, the directory merges into what it    |
 * |                          |                              | leads to, reported with `through`                    |
 * | link to anything else    | replaced itself, reported    | replaced, reported; error when it is only implied    |
 * | empty directory          | replaced, reported           | merged                                               |
 * | directory with entries   | error                        | merged                                               |
 *
 * - Merged: the entries of both, with the mode, time and origin of the later one, unless that is only implied.
 * - Implied: a directory that nobody listed and that a path needs. It is made with mode 0755 and time 0. Apart from the
 *   two errors above it is like a listed one: the result must not hang on whether an archive lists its directories.
 * - A link is followed as a guest would, from the root of this tree and never out of it, at most 40 hops.
 *   Only directories go through links (packages of a merged /usr have /lib -> usr/lib); a file never does.
 *
 * Errors: CapstanError `tree-conflict` that names both origins, `bad-name`, `path-too-long`.
 * After an error the tree holds a part of what was to be inserted and is to be thrown away.
 */
export function insert(tree: FileTree, path: string, entry: TreeEntry, options: InsertOptions = {}): void {
  const merge: Merge = { root: { directory: tree, path: "", parent: undefined }, onReplace: options.onReplace };
  const names = (path.startsWith("/") ? path.slice(1) : path).split("/");
  const name = names.pop() ?? "";
  if (name === "" && names.length === 0) insertRoot(merge, entry);
  else insertBelow(merge, names, { name, entry });
}

interface Merge {
  readonly root: Place;
  readonly onReplace: InsertOptions["onReplace"];
}

/** What comes, and the path that it goes by itself, which links can make another than that of the place where it ends up. */
interface Arrival<Entry extends TreeEntry = TreeEntry> {
  readonly name: string;
  readonly entry: Entry;
  readonly asked: string;
}

function insertRoot(merge: Merge, entry: TreeEntry): void {
  if (entry.type !== "directory") {
    throw new CapstanError(
      `The root of an image is a directory, and ${entry.origin} has a ${NOUNS[entry.type]} there`,
      {
        code: "tree-conflict",
        hint: "Put it into a directory.",
      },
    );
  }
  adopt(merge.root.directory, entry);
  putChildren(merge, merge.root, { entry, asked: "" });
}

function insertBelow(merge: Merge, parents: readonly string[], last: { name: string; entry: TreeEntry }): void {
  const full = `/${[...parents, last.name].join("/")}`;
  let place = merge.root;
  let asked = "";
  for (const name of parents) {
    asked += `/${name}`;
    const before = place.directory.children.get(name);
    if (before?.type === "directory") {
      place = { directory: before, path: `${place.path}/${name}`, parent: place };
      continue;
    }
    checkName(name, full);
    place = enter(merge, place, { name, entry: impliedDirectory(last.entry.origin), asked });
  }
  put(merge, place, { ...last, asked: full });
}

function put(merge: Merge, place: Place, arrival: Arrival): void {
  checkName(arrival.name, arrival.asked);
  checkPathLength(`${place.path}/${arrival.name}`);
  if (isDirectory(arrival)) putChildren(merge, enter(merge, place, arrival), arrival);
  else putLeaf(merge, place, arrival);
}

function putChildren(merge: Merge, place: Place, from: { entry: DirectoryEntry; asked: string }): void {
  from.entry.children.forEach((entry, name) => {
    put(merge, place, { name, entry, asked: `${from.asked}/${name}` });
  });
}

function putLeaf(merge: Merge, place: Place, arrival: Arrival): void {
  const before = place.directory.children.get(arrival.name);
  if (before?.type === "directory" && before.children.size > 0) {
    throw new CapstanError(
      `${quotePath(arrival.asked)} is a directory with entries in ${before.origin} and a ${NOUNS[arrival.entry.type]} in ${arrival.entry.origin}`,
      {
        code: "tree-conflict",
        hint: "A directory is replaced only when it is empty: rename or leave out one of the two.",
      },
    );
  }
  place.directory.children.set(arrival.name, arrival.entry);
  if (before !== undefined) report(merge, arrival, before);
}

/** The directory that the arriving one becomes or merges into; what it holds is not looked at here. */
function enter(merge: Merge, place: Place, arrival: Arrival<DirectoryEntry>): Place {
  const { name, entry } = arrival;
  const before = place.directory.children.get(name);
  if (before?.type === "directory") {
    adopt(before, entry);
    return { directory: before, path: `${place.path}/${name}`, parent: place };
  }
  const through = before?.type === "symlink" ? resolveLink(merge.root, place, before) : undefined;
  if (before !== undefined && through !== undefined) {
    adopt(through.directory, entry);
    report(merge, arrival, before, through.path === "" ? "/" : through.path);
    return through;
  }
  if (before !== undefined && entry.implied) throw notADirectory(before, arrival);
  const directory: DirectoryEntry = { ...entry, children: new Map() };
  place.directory.children.set(name, directory);
  if (before !== undefined) report(merge, arrival, before);
  return { directory, path: `${place.path}/${name}`, parent: place };
}

/** What is known of the later directory becomes true of the one that has taken it in. */
function adopt(directory: Mutable<DirectoryEntry>, later: DirectoryEntry): void {
  if (later.implied) return;
  directory.mode = later.mode;
  directory.mtime = later.mtime;
  directory.origin = later.origin;
  delete directory.implied;
}

function report(merge: Merge, arrival: Arrival, before: TreeEntry, through?: string): void {
  merge.onReplace?.({
    path: arrival.asked,
    before: { type: before.type, origin: before.origin },
    after: { type: arrival.entry.type, origin: arrival.entry.origin },
    ...(through === undefined ? {} : { through }),
  });
}

function notADirectory(before: TreeEntry, { asked, entry }: Arrival): CapstanError {
  const what = before.type === "symlink" ? `a link to ${quotePath(before.target)}, where no directory is,` : "a file";
  return new CapstanError(
    `${quotePath(asked)} is ${what} in ${before.origin}, and ${entry.origin} has entries below it`,
    {
      code: "tree-conflict",
      hint: "Rename or leave out one of the two.",
    },
  );
}

function impliedDirectory(origin: string): DirectoryEntry {
  return { type: "directory", mode: 0o755, mtime: 0, origin, implied: true, children: new Map() };
}

function isDirectory(arrival: Arrival): arrival is Arrival<DirectoryEntry> {
  return arrival.entry.type === "directory";
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

const NOUNS = { file: "file", symlink: "link", directory: "directory" } as const;
