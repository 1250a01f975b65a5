import fc from "fast-check";
import type { DirectoryEntry, FileEntry, FileTree, LinkEntry, TreeEntry } from "../../src/filesystems/filetree.ts";
import { walk } from "../../src/filesystems/tree-walk.ts";
import { byteLength, decodeName } from "../../src/support/name-bytes.ts";

/** Trees as tests write them: a string or bytes is a file, an array of one string a link, an object a directory. */
export type Sketch = string | Uint8Array | readonly [target: string] | SketchFolder;
export interface SketchFolder {
  readonly [name: string]: Sketch;
}

export function tree(folder: SketchFolder, origin = "test"): FileTree {
  const children = new Map<string, TreeEntry>();
  for (const [name, sketch] of Object.entries(folder)) children.set(name, entry(sketch, origin));
  return { type: "directory", mode: 0o755, mtime: 0, origin, children };
}

export function entry(sketch: Sketch, origin = "test"): TreeEntry {
  if (typeof sketch === "string") return file(sketch, origin);
  if (sketch instanceof Uint8Array) return file(sketch, origin);
  return isLink(sketch) ? link(sketch[0], origin) : tree(sketch, origin);
}

export function file(content: string | Uint8Array, origin = "test"): FileEntry {
  const bytes = typeof content === "string" ? Buffer.from(content) : content;
  return { type: "file", mode: 0o644, mtime: 0, origin, size: bytes.length, content: { kind: "bytes", bytes } };
}

export function link(target: string, origin = "test"): LinkEntry {
  return { type: "symlink", mode: 0o777, mtime: 0, origin, target };
}

/** One line an entry, sorted: what two trees are compared by. Directories end with a slash. */
export function outline(root: FileTree): string[] {
  return [...walk(root)].map(({ path, entry }) => {
    if (entry.type === "directory") return `${path}/`;
    return entry.type === "symlink" ? `${path} -> ${entry.target}` : `${path} ${textOf(entry)}`;
  });
}

/** What reading back `root` from a file system must give: path → type and content, without attributes. */
export function contentsOf(root: FileTree, read: (file: FileEntry) => Uint8Array): Map<string, string> {
  const found = new Map<string, string>();
  for (const { path, entry } of walk(root)) {
    if (entry.type === "directory") found.set(path, "directory");
    else if (entry.type === "symlink") found.set(path, `link ${entry.target}`);
    else found.set(path, `file ${Buffer.from(read(entry)).toString("latin1")}`);
  }
  return found;
}

export function bytesOf({ content }: FileEntry): Uint8Array {
  if (content.kind !== "bytes") throw new TypeError("not in memory");
  return content.bytes;
}

function textOf(entry: FileEntry): string {
  return entry.content.kind === "bytes" ? `'${Buffer.from(entry.content.bytes)}'` : `${entry.size} bytes`;
}

function isLink(sketch: readonly [string] | SketchFolder): sketch is readonly [string] {
  return Array.isArray(sketch);
}

/** Sizes around the borders of blocks, pages and the pieces that programs read in. */
export const BORDER_SIZES = [0, 1, 511, 512, 513, 4095, 4096, 4097, 65535, 65536, 65537];

/** Names of 1 to 255 bytes, of any but the slash and NUL: those that are no UTF-8 as well. */
export const nameArbitrary = fc
  .oneof(
    fc.string({ minLength: 1, maxLength: 12 }),
    fc.string({ unit: "binary", minLength: 1, maxLength: 20 }),
    fc.uint8Array({ minLength: 1, maxLength: 12 }).map(decodeName),
    fc.constantFrom(
      "é",
      "日本語",
      "😀",
      "\ufffd",
      "\ufeffbom",
      "…",
      " ",
      "-",
      "a\nb",
      "\\",
      "%s",
      "n".repeat(255),
      "é".repeat(127),
      "caf\udce9",
      "\udcff".repeat(255),
    ),
  )
  .map((name) => name.replace(/[/\0]/g, "_"))
  .filter((name) => name !== "" && name !== "." && name !== ".." && byteLength(name) <= 255);

const linkArbitrary = fc
  .oneof(fc.constantFrom("/", "..", ".", "/nowhere", "loop", "../../..", "x".repeat(4095)), nameArbitrary)
  .map((target) => link(target));

const fileArbitrary = fc
  .record({
    size: fc.oneof(fc.constantFrom(...BORDER_SIZES), fc.nat({ max: 2000 })),
    seed: fc.nat({ max: 255 }),
  })
  .map(({ size, seed }) => file(patterned(size, seed)));

/** Random trees of all kinds of entries. */
export const treeArbitrary: fc.Arbitrary<FileTree> = fc.letrec<{ folder: DirectoryEntry; any: TreeEntry }>((tie) => ({
  folder: fc.dictionary(nameArbitrary, tie("any"), { maxKeys: 6, noNullPrototype: true }).map((children) => ({
    ...tree({}),
    children: new Map(Object.entries(children)),
  })),
  any: fc.oneof({ depthSize: "small", withCrossShrink: true }, fileArbitrary, linkArbitrary, tie("folder")),
})).folder;

/** Bytes that differ at every position and from file to file. */
export function patterned(size: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let index = 0; index < size; index++) bytes[index] = (index * 7 + (index >> 8) * 13 + seed) & 0xff;
  return bytes;
}
