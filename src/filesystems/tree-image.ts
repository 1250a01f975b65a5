import { MiB } from "../support/bytes.ts";
import { CapstanError, ExitCode } from "../support/errors.ts";
import type { FileEntry, FileTree, TreeEntry } from "./filetree.ts";
import { quotePath, sortByBytes } from "./names.ts";
import { type LookupOptions, lookup, type WalkedEntry, walk } from "./tree-walk.ts";

/** A file system that has been read: its tree, and the contents of its files. */
export interface TreeImage {
  /** In bytes, as far as the file system says. */
  readonly size: number;
  /** Contents are of kind `device`. */
  readonly tree: FileTree;
  /** The entries of a directory, or the entry itself when it is none; in the order of their names' bytes. */
  list(path: string): readonly NamedEntry[];
  /** Links are followed inside the image. Undefined when there is no such entry. */
  lookup(path: string, options?: LookupOptions): TreeEntry | undefined;
  /** The content in chunks of at most 1 MiB, each the caller's to keep. */
  readFile(path: string): Iterable<Uint8Array>;
  /** What the link says. */
  readLink(path: string): string;
  /** All entries but the root, a directory before what it holds. */
  walk(): Iterable<WalkedEntry>;
}

export interface NamedEntry {
  readonly name: string;
  readonly entry: TreeEntry;
}

/** The methods throw CapstanError `no-such-file` (exit code 66), `wrong-file-type`, and what reading contents throws. */
export function treeImage(tree: FileTree, size: number): TreeImage {
  return {
    size,
    tree,
    list: (path) => list(tree, path),
    lookup: (path, options) => lookup(tree, path, options),
    readFile: (path) => readFile(tree, path),
    readLink: (path) => readLink(tree, path),
    walk: () => walk(tree),
  };
}

/** The content of one file of an image, in chunks of at most 1 MiB. */
export function* readDeviceFile(file: FileEntry): Generator<Uint8Array, void, undefined> {
  if (file.content.kind !== "device") throw new TypeError("the file does not lie on a device");
  const { device, offset } = file.content;
  for (let done = 0; done < file.size; ) {
    const chunk = Buffer.allocUnsafeSlow(Math.min(MiB, file.size - done));
    device.read(chunk, offset + done);
    yield chunk;
    done += chunk.length;
  }
}

function list(tree: FileTree, path: string): readonly NamedEntry[] {
  const entry = find(tree, path, { follow: true });
  if (entry.type !== "directory") return [{ name: path.split("/").findLast((part) => part !== "") ?? "", entry }];
  const named: NamedEntry[] = [];
  for (const name of sortByBytes(entry.children.keys())) {
    const child = entry.children.get(name);
    if (child !== undefined) named.push({ name, entry: child });
  }
  return named;
}

function readFile(tree: FileTree, path: string): Iterable<Uint8Array> {
  const entry = find(tree, path, { follow: true });
  if (entry.type === "file") return readDeviceFile(entry);
  throw new CapstanError(`${quotePath(path)} is a directory of the image, not a file`, {
    code: "wrong-file-type",
    hint: "Name a file.",
  });
}

function readLink(tree: FileTree, path: string): string {
  const entry = find(tree, path, { follow: false });
  if (entry.type === "symlink") return entry.target;
  throw new CapstanError(`${quotePath(path)} is a ${entry.type} of the image, not a link`, {
    code: "wrong-file-type",
    hint: "Name a link.",
  });
}

function find(tree: FileTree, path: string, options: LookupOptions): TreeEntry {
  const entry = lookup(tree, path, options);
  if (entry !== undefined) return entry;
  const link = lookup(tree, path, { follow: false });
  const why =
    link?.type === "symlink" ? `is a link to ${quotePath(link.target)}, which is not there` : "does not exist";
  throw new CapstanError(`${quotePath(path)} ${why} in the image`, {
    code: "no-such-file",
    hint: "List what is there with 'capstan image ls'.",
    exitCode: ExitCode.noInput,
  });
}
