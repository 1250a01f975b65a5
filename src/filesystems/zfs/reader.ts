import { formatSize } from "../../support/bytes.ts";
import { decodeName } from "../../support/name-bytes.ts";
import type { ReadableDevice } from "../device.ts";
import type { DirectoryEntry, FileTree, TreeEntry } from "../filetree.ts";
import { isPathTooLong, linkTargetFault, nameFault, quotePath } from "../names.ts";
import { mostContentOn } from "../plausible-size.ts";
import { type TreeImage, treeImage } from "../tree-image.ts";
import { corrupt } from "./errors.ts";
import { MASTER_NODE, ModeType, ObjectType, ObjsetType } from "./layout.ts";
import { type AttributeReader, type Attributes, attributeReader, checkZplVersion } from "./read/attributes.ts";
import type { PoolLabel } from "./read/label.ts";
import { Objset, type ZfsObject } from "./read/object.ts";
import { type Dataset, openPool, type Pool } from "./read/pool.ts";
import { readZap, readZapNumbers, zapNumber } from "./read/zap.ts";

export { isZfs } from "./read/label.ts";

/** A pool that can be read: the tree of one of its file systems. Modes, owners and times are those of the pool. */
export interface ZfsImage extends TreeImage {
  readonly label: PoolLabel;
  /** The transaction group that is shown: the last complete one. */
  readonly txg: number;
  /** Names of all file systems, a parent before its children. */
  readonly datasets: readonly string[];
  /** The one that is shown. */
  readonly dataset: string;
  /** Those that have files. */
  readonly filled: readonly string[];
  /** What the file system holds and a tree cannot: paths with a reason, the first hundred. */
  readonly omitted: readonly string[];
}

export interface OpenZfsOptions {
  /**
   * The file system to show, such as `osv/zfs`. Where it is not said: of those that are not empty, the one that was
   * written to last. OSv's kernels take the pool's own for root since 2026-08, and took `osv/zfs` up to v0.57.0: a
   * pool for both shows by that which of them has run. Where nothing tells, it is the pool's own.
   */
  readonly dataset?: string;
}

/**
 * Reads the pool of one disk that starts at the start of `device`: its labels, data sets, and all directories and
 * attributes of one file system. Every block is checked; where there are copies, a sound one is taken. What a guest
 * has not yet brought from the intent log to its place is not shown.
 *
 * Errors: CapstanError `bad-zfs`; `zfs-feature` for what of ZFS is not understood here. Reading contents throws the same.
 */
export function openZfs(device: ReadableDevice, options: OpenZfsOptions = {}): ZfsImage {
  const pool = openPool(device);
  const datasets = pool.datasets.filter(({ pointer }) => pointer !== undefined);
  const fileSystems = datasets.flatMap((dataset) => openFileSystem(pool, dataset) ?? []);
  const filled = fileSystems.filter((one) => hasContent(one, pool.datasets));
  const fileSystem = chooseFileSystem(options.dataset, { fileSystems, filled });
  const { tree, omitted } = readTree(fileSystem, device);
  return {
    ...treeImage(tree, pool.label.asize),
    label: pool.label,
    txg: pool.uberblock.txg,
    datasets: datasets.map(({ name }) => name),
    dataset: fileSystem.name,
    filled: filled.map(({ name }) => name),
    omitted,
  };
}

/** A data set that holds files. */
export interface FileSystem {
  readonly name: string;
  readonly objset: Objset;
  readonly attributes: AttributeReader;
  /** The object of its root directory. */
  readonly root: number;
  readonly masterNode: ReadonlyMap<string, number>;
  /** The transaction group that wrote to it last. */
  readonly birth: number;
}

/** Errors: CapstanError `bad-zfs`, `zfs-feature`. Undefined for a volume. */
export function openFileSystem(
  pool: Pool,
  { name, pointer }: Pick<Dataset, "name" | "pointer">,
): FileSystem | undefined {
  if (pointer === undefined) return undefined;
  const objset = new Objset(pool.blocks, pointer, name);
  if (objset.type !== ObjsetType.zpl) return undefined;
  const masterNode = readZapNumbers(objset.object(MASTER_NODE, ObjectType.masterNode));
  checkZplVersion(masterNode.get("VERSION"));
  const root = masterNode.get("ROOT") ?? corrupt(`${name} has no root directory`);
  const { birth } = pointer;
  return { name, objset, root, masterNode, birth, attributes: attributeReader(objset, masterNode.get("SA_ATTRS")) };
}

/** Enough for any image; it bounds the memory that a tree takes. */
const MAX_ENTRIES = 4_000_000;
const MAX_OMITTED = 100;

interface Choice {
  readonly fileSystems: readonly FileSystem[];
  readonly filled: readonly FileSystem[];
}

function chooseFileSystem(wanted: string | undefined, { fileSystems, filled }: Choice): FileSystem {
  if (wanted !== undefined) {
    return fileSystems.find(({ name }) => name === wanted) ?? corrupt(`it has no file system ${quotePath(wanted)}`);
  }
  // Of those of one transaction the first one, a parent before its children.
  const [latest] = filled.toSorted((a, b) => b.birth - a.birth);
  return latest ?? fileSystems[0] ?? corrupt("it has no file system");
}

/** Folders on which only other data sets are mounted are no content: up to v0.57.0, `osv` has a `/zfs` and no more. */
function hasContent({ name, objset, root }: FileSystem, datasets: readonly Dataset[]): boolean {
  const mountPoints = new Set(datasets.map((dataset) => dataset.name));
  for (const entry of readZap(objset.object(root, ObjectType.directory))) {
    if (!mountPoints.has(`${name}/${decodeName(entry.name)}`)) return true;
  }
  return false;
}

interface TreeReading {
  readonly fileSystem: FileSystem;
  readonly omitted: string[];
  /** A directory has one place: so there are no circles. */
  readonly directories: Set<number>;
  /** Of files with several names, by their object. */
  readonly hardLinked: Map<number, Extract<TreeEntry, { type: "file" }>>;
  count: number;
  /** Bytes that further files may have. */
  contentLeft: number;
}

function readTree(fileSystem: FileSystem, device: ReadableDevice): { tree: FileTree; omitted: readonly string[] } {
  const { objset, root, attributes } = fileSystem;
  const rootObject = objset.object(root, ObjectType.directory);
  const tree = directory(attributes(rootObject));
  const reading: TreeReading = {
    fileSystem,
    omitted: [],
    directories: new Set([root]),
    hardLinked: new Map(),
    count: 0,
    contentLeft: mostContentOn(device),
  };
  const pending: OpenDirectory[] = [{ into: tree, object: rootObject, path: "" }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    for (const child of readDirectory(next, reading)) pending.push(child);
  }
  return { tree, omitted: reading.omitted };
}

interface OpenDirectory {
  readonly into: DirectoryEntry;
  readonly object: ZfsObject;
  readonly path: string;
}

/** Puts the entries of a directory into the tree; gives the directories among them. */
function readDirectory({ into, object, path }: OpenDirectory, reading: TreeReading): OpenDirectory[] {
  const found: OpenDirectory[] = [];
  for (const { name, number } of listDirectory(object, path, reading)) {
    const full = `${path}/${name}`;
    if (isPathTooLong(full)) corrupt(`${quotePath(full)} is too long`);
    const child = reading.fileSystem.objset.object(number);
    const entry = toEntry(child, number, { path: full, reading });
    if (entry === undefined) continue;
    into.children.set(name, entry);
    if (entry.type !== "directory") continue;
    if (reading.directories.has(number)) corrupt(`${quotePath(full)} is in two places`);
    reading.directories.add(number);
    found.push({ into: entry, object: child, path: full });
  }
  return found;
}

/** In the order of the objects, of which 32 lie in a block; the ZAP has them in the order of hashes. */
function listDirectory(object: ZfsObject, path: string, reading: TreeReading): { name: string; number: number }[] {
  const entries: { name: string; number: number }[] = [];
  const names = new Set<string>();
  for (const entry of readZap(object)) {
    const name = decodeName(entry.name);
    const fault = nameFault(name);
    if (++reading.count > MAX_ENTRIES) corrupt(`it has more than ${MAX_ENTRIES} files`);
    if (fault !== undefined) {
      omit(reading, `${path}/${name}`, fault);
      continue;
    }
    if (names.has(name)) corrupt(`there are two ${quotePath(`${path}/${name}`)}`);
    names.add(name);
    const value = zapNumber({ ...entry, value: withoutType(entry.value) });
    entries.push({ name, number: value ?? corrupt(`${quotePath(`${path}/${name}`)} has no object`) });
  }
  return entries.sort((a, b) => a.number - b.number);
}

/** The upper 16 bits of a directory entry say the type of the file once more. */
function withoutType(value: Buffer): Buffer {
  const copy = Buffer.from(value);
  copy.fill(0, 0, 2);
  return copy;
}

interface EntryPlace {
  readonly path: string;
  readonly reading: TreeReading;
}

function toEntry(object: ZfsObject, number: number, { path, reading }: EntryPlace): TreeEntry | undefined {
  const known = reading.hardLinked.get(number);
  if (known !== undefined) return known;
  const attributes = reading.fileSystem.attributes(object);
  switch (attributes.mode & ModeType.mask) {
    case ModeType.directory:
      if (object.head.type !== ObjectType.directory) corrupt(`${quotePath(path)} is no directory`);
      return directory(attributes);
    case ModeType.file: {
      if (object.head.type !== ObjectType.plainFile) corrupt(`${quotePath(path)} is no file`);
      if (attributes.size > reading.contentLeft) {
        omit(reading, path, `it has ${formatSize(attributes.size)}, far more than its disk can hold`);
        return undefined;
      }
      reading.contentLeft -= attributes.size;
      const entry = file(number, attributes, reading.fileSystem.objset);
      if (attributes.links > 1) reading.hardLinked.set(number, entry);
      return entry;
    }
    case ModeType.symlink:
      return { type: "symlink", ...common(attributes), target: linkTarget(object, attributes, path) };
    default:
      omit(reading, path, "it is a device, pipe or socket");
      return undefined;
  }
}

function common({ mode, mtime, uid, gid }: Attributes) {
  return { mode: mode & 0o7777, mtime, uid, gid, origin: "the image" } as const;
}

function directory(attributes: Attributes): DirectoryEntry {
  return { type: "directory", ...common(attributes), children: new Map() };
}

/** Its content is looked up when it is read: no dnode is held meanwhile. */
function file(number: number, attributes: Attributes, objset: Objset): Extract<TreeEntry, { type: "file" }> {
  const { size } = attributes;
  const read = (target: Uint8Array, offset: number): void => {
    if (offset < 0 || offset + target.length > size) throw new RangeError(`${offset} lies outside the file`);
    objset.object(number, ObjectType.plainFile).read(target, offset);
  };
  const content = { kind: "device", device: { size, read }, offset: 0 } as const;
  const hardLink = attributes.links > 1 ? { hardLink: `${objset.what}:${number}` } : {};
  return { type: "file", ...common(attributes), size, content, ...hardLink };
}

/** Longer targets of file systems before version 5 lie in the first block. */
function linkTarget(object: ZfsObject, { size, linkTarget: found }: Attributes, path: string): string {
  let bytes = found;
  if (bytes === undefined) {
    if (size > MAX_LINK_TARGET) corrupt(`${quotePath(path)} is a link of ${size} bytes`);
    bytes = Buffer.alloc(size);
    object.read(bytes, 0);
  }
  const target = decodeName(bytes);
  const fault = linkTargetFault(target);
  return fault === undefined ? target : corrupt(`${quotePath(path)} is a bad link: ${fault}`);
}

const MAX_LINK_TARGET = 65536;

function omit({ omitted }: TreeReading, path: string, why: string): void {
  if (omitted.length < MAX_OMITTED) omitted.push(`${quotePath(path)} is left out: ${why}`);
}
