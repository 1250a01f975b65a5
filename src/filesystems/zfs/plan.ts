import { formatSize, MiB, roundUp } from "../../support/bytes.ts";
import { CapstanError } from "../../support/errors.ts";
import type { ContentStream, DirectoryEntry, FileEntry, FileTree, TreeEntry } from "../filetree.ts";
import { byteLength, checkName, checkPathLength, linkTargetFault, quotePath, sortByBytes } from "../names.ts";
import { type VdevGeometry, vdevGeometry } from "./geometry.ts";
import { DNODE_SIZE, INDIRECT_BLOCK_SIZE, MAX_BLOCK_SIZE, MIN_PARTITION_SIZE } from "./layout.ts";
import { allocatable, partitionSizeFor } from "./write/allocator.ts";
import { fileBlockSize } from "./write/file-data.ts";

/**
 * Which data set the kernel mounts as root: "osv/zfs" up to v0.57.0, "osv" after it. "both": the data are there once,
 * and each of the two kernels writes to its own view of them (a snapshot of the first, and a clone).
 */
export type ZfsRoot = "osv" | "osv/zfs" | "both";

export interface ZfsOptions {
  /** Of the partition, in bytes; rounded down to 256 KiB. */
  readonly size: number;
  readonly root: ZfsRoot;
  /**
   * Of the pool, in seconds since 1970; the latest time of the tree where it is not said. What is later in the tree
   * gets this time.
   */
  readonly timestamp?: number | undefined;
}

/** An object of the file system with its number: `FIRST_NODE` for the first one, the root. */
export interface ZfsNode {
  readonly entry: TreeEntry;
  /** Object number of the directory that it is in. */
  readonly parent: number;
  /** Entries that lead to it; of a directory, those of its sub-directories as well. */
  links: number;
  /** Of a directory: the object numbers of its entries, in the order of their names' bytes. */
  readonly children: number[];
}

/** What will be in a pool: nothing has been read or written yet, and where blocks lie shows as they come. */
export interface ZfsPlan {
  /** In bytes, a multiple of 256 KiB. */
  readonly size: number;
  readonly geometry: VdevGeometry;
  readonly root: ZfsRoot;
  readonly timestamp: number;
  /** No time of an entry is later. */
  readonly latestTime: number;
  /** Node i is object `FIRST_NODE + i`; the root comes first. */
  readonly nodes: readonly ZfsNode[];
  /** Each file once, whatever number of names it has. */
  readonly files: readonly FileEntry[];
  /** The index in `nodes` of each of `files`. */
  readonly fileNodes: readonly number[];
  readonly counts: { readonly files: number; readonly directories: number; readonly links: number };
  /** The sizes of `files` together. */
  readonly dataBytes: number;
  /** A size of the partition in which all of it has room, in bytes, even when no block of it is all zeros. */
  readonly enough: number;
}

/** The root directory's object number; those below it are fixed objects of the data set. */
export const ROOT_OBJECT = 4;
/** Of the first node after the root. */
const FIRST_CHILD_OBJECT = 8;

/** The object number of a node. */
export function objectOf(node: number): number {
  return node === 0 ? ROOT_OBJECT : node + FIRST_CHILD_OBJECT - 1;
}

/** The node of an object number; undefined for the fixed objects that no node stands for. */
export function nodeOf(object: number): number | undefined {
  if (object === ROOT_OBJECT) return 0;
  return object >= FIRST_CHILD_OBJECT ? object - FIRST_CHILD_OBJECT + 1 : undefined;
}

/**
 * Numbers what is in a tree. Files with one identity (`FileEntry.hardLink`, or one extent of an archive) become one file
 * with several names. The same tree gives the same plan.
 *
 * Errors: CapstanError `bad-name`, `path-too-long`, `bad-link`, `image-too-small` (no pool has that size).
 */
export function planZfs(tree: FileTree, options: ZfsOptions): ZfsPlan {
  const { nodes, files, fileNodes, latest } = numberNodes(tree);
  const dataBytes = files.reduce((sum, { size }) => sum + size, 0);
  const enough = partitionSizeFor(mostAllocated(nodes, files));
  if (options.size < MIN_PARTITION_SIZE) throw tooSmall(options.size, enough);
  const geometry = vdevGeometry(options.size);
  const directories = nodes.reduce((sum, { entry }) => sum + (entry.type === "directory" ? 1 : 0), 0) - 1;
  const links = nodes.length - 1 - files.length - directories;
  return {
    ...{ size: geometry.psize, geometry, root: options.root, nodes, files, fileNodes, dataBytes, enough },
    timestamp: Math.max(1, options.timestamp ?? latest),
    latestTime: options.timestamp ?? latest,
    counts: { files: files.length, directories, links },
  };
}

/** The size has no room for what is to go in; `enough` has. */
export function tooSmall(size: number, enough: number): CapstanError {
  const reason =
    size < MIN_PARTITION_SIZE
      ? "the smallest ZFS has 64 MiB"
      : `the files do not fit in the ${formatSize(allocatable(vdevGeometry(size)))} that it has for them`;
  return new CapstanError(`A ZFS of ${formatSize(size)} is too small: ${reason}`, {
    code: "image-too-small",
    hint: `Give --size ${Math.ceil(enough / MiB)}M or more; space that is not in use takes none on this machine.`,
  });
}

/** One for all that are no directories: there can be very many of them. */
const NO_CHILDREN: number[] = [];

interface Numbered {
  readonly nodes: readonly ZfsNode[];
  readonly files: readonly FileEntry[];
  readonly fileNodes: readonly number[];
  readonly latest: number;
}

/** Depth first, the entries of one directory next to each other: what is near in the tree is near on the disk. */
function numberNodes(root: DirectoryEntry): Numbered {
  const nodes: ZfsNode[] = [];
  const files: FileEntry[] = [];
  const fileNodes: number[] = [];
  const identities = new Identities();
  let latest = root.mtime;
  const add = (entry: TreeEntry, parent: number): number => {
    const isDirectory = entry.type === "directory";
    nodes.push({ entry, parent, links: isDirectory ? 2 : 1, children: isDirectory ? [] : NO_CHILDREN });
    latest = Math.max(latest, entry.mtime);
    return nodes.length - 1;
  };
  const pending: Pending[] = [{ directory: root, path: "", node: add(root, ROOT_OBJECT) }];
  for (let parent = pending.pop(); parent !== undefined; parent = pending.pop()) {
    const parentNode = nodes[parent.node];
    if (parentNode === undefined) continue;
    const below: Pending[] = [];
    for (const name of sortByBytes(parent.directory.children.keys())) {
      const path = `${parent.path}/${name}`;
      checkName(name, path);
      checkPathLength(path);
      const entry = parent.directory.children.get(name);
      if (entry === undefined) continue;
      if (entry.type === "symlink") checkLink(entry.target, path);
      const known = entry.type === "file" ? identities.get(entry) : undefined;
      const shared = known === undefined ? undefined : nodes[known];
      if (known !== undefined && shared !== undefined) {
        shared.links++;
        parentNode.children.push(objectOf(known));
        continue;
      }
      const node = add(entry, objectOf(parent.node));
      parentNode.children.push(objectOf(node));
      if (entry.type === "directory") {
        parentNode.links++;
        below.push({ directory: entry, path, node });
      } else if (entry.type === "file") {
        files.push(entry);
        fileNodes.push(node);
        identities.set(entry, node);
      }
    }
    pending.push(...below.reverse());
  }
  return { nodes, files, fileNodes, latest };
}

interface Pending {
  readonly directory: DirectoryEntry;
  readonly path: string;
  readonly node: number;
}

/** Which files are one and the same. Those of one path on the host are not: they were reached through links. */
class Identities {
  readonly #named = new Map<string, { node: number; entry: FileEntry }>();
  readonly #extents = new Map<ContentStream, Map<number, { node: number; entry: FileEntry }>>();

  get(entry: FileEntry): number | undefined {
    const found = this.#find(entry);
    if (found === undefined) return undefined;
    const same = ["size", "mode", "mtime", "uid", "gid"] as const;
    return same.every((field) => found.entry[field] === entry[field]) ? found.node : undefined;
  }

  set(entry: FileEntry, node: number): void {
    const { content, hardLink, size } = entry;
    if (hardLink !== undefined) this.#named.set(hardLink, { node, entry });
    else if (content.kind === "extent" && size > 0) {
      const extents = this.#extents.get(content.stream) ?? new Map();
      this.#extents.set(content.stream, extents.set(content.offset, { node, entry }));
    }
  }

  #find({ content, hardLink, size }: FileEntry): { node: number; entry: FileEntry } | undefined {
    if (hardLink !== undefined) return this.#named.get(hardLink);
    if (content.kind !== "extent" || size === 0) return undefined;
    return this.#extents.get(content.stream)?.get(content.offset);
  }
}

function checkLink(target: string, path: string): void {
  const fault = linkTargetFault(target);
  if (fault === undefined) return;
  throw new CapstanError(`${quotePath(path)} cannot be a link in an image: ${fault}`, {
    code: "bad-link",
    hint: "Remove the link, or leave it out.",
  });
}

/** An upper bound of what is allocated when no block is all zeros. */
function mostAllocated(nodes: readonly ZfsNode[], files: readonly FileEntry[]): number {
  let bytes = FIXED_COST;
  for (const { size } of files) {
    const blockSize = fileBlockSize(size);
    if (size > 0) bytes += roundUp(size, blockSize);
    // Each pointer is one of 128 in an indirect block, which is not smaller for being used in part.
    if (size > blockSize) bytes += INDIRECT_BLOCK_SIZE * (2 + Math.ceil(size / MAX_BLOCK_SIZE / 100));
  }
  for (const { entry } of nodes) {
    bytes += DNODE_SIZE * 1.02;
    if (entry.type === "symlink") bytes += roundUp(byteLength(entry.target) + 8, 512);
    // A leaf of 16 KiB is a third full at least, and an entry takes 3 to 16 chunks of 24 bytes.
    if (entry.type === "directory") {
      bytes += 512 + (entry.children.size > 7 ? DIRECTORY_COST * entry.children.size : 0);
      for (const name of entry.children.keys()) if (name.length > 20) bytes += 4 * byteLength(name);
    }
  }
  return roundUp(bytes, 512);
}

const FIXED_COST = 2 * MiB;
const DIRECTORY_COST = 256;
