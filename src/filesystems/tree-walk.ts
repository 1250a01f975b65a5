import type { DirectoryEntry, FileEntry, FileTree, LinkEntry, TreeEntry } from "./filetree.ts";
import { compareBytes, sortByBytes } from "./names.ts";

export interface WalkedEntry {
  /** With a leading slash. */
  readonly path: string;
  readonly entry: TreeEntry;
}

/** All below the root: a directory before what it holds, and its entries in the order of their names' UTF-8 bytes. */
export function* walk(tree: FileTree): Generator<WalkedEntry, void, undefined> {
  const open: OpenDirectory[] = [openDirectory(tree, "")];
  for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
    const name = top.names[top.next++];
    const entry = name === undefined ? undefined : top.directory.children.get(name);
    if (entry === undefined) {
      open.pop();
      continue;
    }
    const path = `${top.path}/${name}`;
    yield { path, entry };
    if (entry.type === "directory") open.push(openDirectory(entry, path));
  }
}

export interface LookupOptions {
  /** Whether a link in the last place is followed as well (default true), as stat(2) does and lstat(2) does not. */
  readonly follow?: boolean;
}

/** The same, for those who look at all of it: hundreds of thousands of steps of a generator take their time. */
export function walkAll(tree: FileTree, visit: (path: string, entry: TreeEntry) => void): void {
  const open: OpenDirectory[] = [openDirectory(tree, "")];
  for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
    const name = top.names[top.next++];
    const entry = name === undefined ? undefined : top.directory.children.get(name);
    if (entry === undefined) {
      open.pop();
      continue;
    }
    const path = `${top.path}/${name}`;
    visit(path, entry);
    if (entry.type === "directory") open.push(openDirectory(entry, path));
  }
}

/**
 * The entry that a guest finds at `path`, or undefined when there is none, or links lead nowhere or in circles.
 * Links are followed inside the tree: "/" and ".." never lead out of it.
 */
export function lookup(tree: FileTree, path: string, options: LookupOptions = {}): TreeEntry | undefined {
  const root: Place = { directory: tree, path: "", parent: undefined };
  return resolve({ root, start: root, path, follow: options.follow ?? true, hops: 0 })?.entry;
}

/** The same, with the path at which the entry really lies, free of links: "/" for the root. */
export function locate(tree: FileTree, path: string, options: LookupOptions = {}): WalkedEntry | undefined {
  const root: Place = { directory: tree, path: "", parent: undefined };
  const found = resolve({ root, start: root, path, follow: options.follow ?? true, hops: 0 });
  return found && { path: found.path === "" ? "/" : found.path, entry: found.entry };
}

/** A directory where it lies: what relative links and ".." start from. */
export interface Place {
  readonly directory: DirectoryEntry;
  /** "" for the root, "/usr/lib". */
  readonly path: string;
  /** Undefined for the root. */
  readonly parent: Place | undefined;
}

/** The directory that `link`, an entry of `at`, leads to in the end; undefined when it leads to anything else. */
export function resolveLink(root: Place, at: Place, link: LinkEntry): Place | undefined {
  const found = resolve({ root, start: at, path: link.target, follow: true, hops: 1 });
  return found?.entry.type === "directory" ? found.place : undefined;
}

export interface TreeTotals {
  readonly files: number;
  readonly links: number;
  /** Without the root. */
  readonly directories: number;
  /** The sizes of all files together. */
  readonly bytes: number;
}

export function measureTree(tree: FileTree): TreeTotals {
  let [files, links, directories, bytes] = [0, 0, 0, 0];
  const pending: DirectoryEntry[] = [tree];
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
    for (const entry of directory.children.values()) {
      if (entry.type === "file") {
        files++;
        bytes += entry.size;
      } else if (entry.type === "symlink") {
        links++;
      } else {
        directories++;
        pending.push(entry);
      }
    }
  }
  return { files, links, directories, bytes };
}

/** Whether `test` says so of any file; they come in no order. */
export function someFile(tree: FileTree, test: (file: FileEntry) => boolean): boolean {
  const pending: DirectoryEntry[] = [tree];
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
    for (const entry of directory.children.values()) {
      if (entry.type === "directory") pending.push(entry);
      else if (entry.type === "file" && test(entry)) return true;
    }
  }
  return false;
}

/**
 * What is chosen, as `walk` would tell of it and in its order. Quicker where that is little: it makes no paths of the
 * others. `folder` is the path of the directory, "" for the root.
 */
export function chosenOf(
  tree: FileTree,
  takes: (name: string, entry: TreeEntry, folder: string) => boolean,
): readonly WalkedEntry[] {
  const chosen: WalkedEntry[] = [];
  const pending: { readonly directory: DirectoryEntry; readonly path: string }[] = [{ directory: tree, path: "" }];
  for (let parent = pending.pop(); parent !== undefined; parent = pending.pop()) {
    const { path: folder } = parent;
    parent.directory.children.forEach((entry, name) => {
      if (takes(name, entry, folder)) chosen.push({ path: `${folder}/${name}`, entry });
      if (entry.type === "directory") pending.push({ directory: entry, path: `${folder}/${name}` });
    });
  }
  // No name has a NUL in it: it puts what is in a directory right behind that, before names that go on where its name ends.
  const keyOf = ({ path }: WalkedEntry) => path.replaceAll("/", "\0");
  return chosen.sort((a, b) => compareBytes(keyOf(a), keyOf(b)));
}

interface OpenDirectory {
  readonly directory: DirectoryEntry;
  readonly path: string;
  readonly names: readonly string[];
  next: number;
}

function openDirectory(directory: DirectoryEntry, path: string): OpenDirectory {
  return { directory, path, names: sortByBytes(directory.children.keys()), next: 0 };
}

interface Route {
  readonly root: Place;
  readonly start: Place;
  readonly path: string;
  readonly follow: boolean;
  /** How many links have been followed to get here. */
  readonly hops: number;
}

/** MAXSYMLINKS of Linux: path_resolution(7). */
const MAX_HOPS = 40;

interface Resolved {
  readonly entry: TreeEntry;
  /** The place of the entry, when it is a directory, or else of the directory that it is in. */
  readonly place: Place;
  /** Where the entry lies; "" for the root. */
  readonly path: string;
}

function resolve({ root, start, path, follow, hops }: Route): Resolved | undefined {
  let place = path.startsWith("/") ? root : start;
  let followed = hops;
  const rest = path.split("/").reverse();
  for (let name = rest.pop(); name !== undefined; name = rest.pop()) {
    if (name === "" || name === ".") continue;
    if (name === "..") {
      place = place.parent ?? place;
      continue;
    }
    const entry: TreeEntry | undefined = place.directory.children.get(name);
    if (entry === undefined) return undefined;
    if (entry.type === "directory") {
      place = { directory: entry, path: `${place.path}/${name}`, parent: place };
    } else if (entry.type === "symlink" && (follow || rest.length > 0)) {
      if (++followed > MAX_HOPS) return undefined;
      if (entry.target.startsWith("/")) place = root;
      rest.push(...entry.target.split("/").reverse());
    } else {
      return rest.length === 0 ? { entry, place, path: `${place.path}/${name}` } : undefined;
    }
  }
  return { entry: place.directory, place, path: place.path };
}
