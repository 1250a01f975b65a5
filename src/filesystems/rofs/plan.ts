import { roundUp } from "../../support/bytes.ts";
import { CapstanError } from "../../support/errors.ts";
import { emissionOrder } from "../content.ts";
import type { ContentStream, DirectoryEntry, FileEntry, FileTree, LinkEntry, TreeEntry } from "../filetree.ts";
import { byteLength, checkName, checkPathLength, linkTargetFault, quotePath, sortByBytes } from "../names.ts";
import {
  BLOCK_SIZE,
  ENTRY_HEADER_SIZE,
  encodeDirectoryEntry,
  encodeInode,
  encodeSuperblock,
  encodeText,
  FIRST_DATA_BLOCK,
  INODE_SIZE,
  LINK_HEADER_SIZE,
  MAGIC,
  MAX_INODES,
  MAX_STRUCTURE_SIZE,
  Mode,
  VERSION,
} from "./layout.ts";

/** Where everything of a ROFS lies: nothing has been read or written yet. */
export interface RofsPlan {
  /** In bytes, a multiple of 512. */
  readonly size: number;
  /** One block. */
  readonly superblock: Uint8Array;
  /** Each content once, in the order in which it is read and written; empty files are among them. */
  readonly files: readonly FileEntry[];
  /** Of each of `files`. */
  readonly firstBlocks: readonly number[];
  /** Directory entries, links and inodes, padded to whole blocks. */
  readonly structure: Uint8Array;
  /** In bytes from the start of the file system. */
  readonly structureOffset: number;
  readonly counts: { readonly files: number; readonly directories: number; readonly links: number };
  /** The sizes of `files` together. */
  readonly dataBytes: number;
}

/**
 * Lays a tree out as ROFS. Files with the same content (one host path, or one extent of a stream) share their blocks.
 * The same tree gives the same plan.
 *
 * Errors: CapstanError `bad-name`, `path-too-long`, `bad-link` (empty or too long), `too-many-files`.
 */
export function planRofs(tree: FileTree): RofsPlan {
  const listing = listTree(tree);
  const data = placeData(listing.files);
  const structure = encodeStructure(listing, data.blockOf);
  const size = data.endBlock * BLOCK_SIZE + structure.length;
  return {
    size,
    superblock: encodeSuperblock({
      magic: MAGIC,
      version: VERSION,
      blockSize: BLOCK_SIZE,
      structureFirstBlock: data.endBlock,
      structureBlockCount: structure.length / BLOCK_SIZE,
      directoryEntryCount: listing.entries.length,
      linkCount: listing.links.length,
      inodeCount: listing.entries.length + 1,
    }),
    files: data.files,
    firstBlocks: data.firstBlocks,
    structure,
    structureOffset: data.endBlock * BLOCK_SIZE,
    counts: listing.counts,
    dataBytes: data.bytes,
  };
}

/** The tree as the tables have it: entry i is inode i + 2, and the entries of one directory lie together. */
interface Listing {
  readonly entries: readonly { readonly name: string; readonly entry: TreeEntry }[];
  /** Of each inode from the root on: a directory's first entry, or the index in `files` or `links`. */
  readonly places: readonly number[];
  readonly root: DirectoryEntry;
  readonly files: readonly FileEntry[];
  readonly links: readonly LinkEntry[];
  readonly counts: RofsPlan["counts"];
  /** In bytes, without padding. */
  readonly structureSize: number;
}

/** Depth first, so that what is near in the tree is near on the disk. */
function listTree(root: DirectoryEntry): Listing {
  const entries: { name: string; entry: TreeEntry }[] = [];
  const places = [0];
  const files: FileEntry[] = [];
  const links: LinkEntry[] = [];
  let structureSize = INODE_SIZE;
  const pending: PendingDirectory[] = [{ directory: root, path: "", inodeIndex: 0 }];
  for (let parent = pending.pop(); parent !== undefined; parent = pending.pop()) {
    places[parent.inodeIndex] = entries.length;
    const below: PendingDirectory[] = [];
    for (const name of sortByBytes(parent.directory.children.keys())) {
      const path = `${parent.path}/${name}`;
      checkName(name, path);
      checkPathLength(path);
      const entry = parent.directory.children.get(name);
      if (entry === undefined) continue;
      entries.push({ name, entry });
      structureSize += ENTRY_HEADER_SIZE + byteLength(name) + INODE_SIZE;
      const inodeIndex = entries.length;
      if (entry.type === "directory") {
        below.push({ directory: entry, path, inodeIndex });
      } else if (entry.type === "symlink") {
        structureSize += LINK_HEADER_SIZE + linkLength(entry, path);
        places[inodeIndex] = links.push(entry) - 1;
      } else {
        places[inodeIndex] = files.push(entry) - 1;
      }
    }
    pending.push(...below.reverse());
  }
  checkSize(entries.length, structureSize);
  const directories = entries.length - files.length - links.length;
  const counts = { files: files.length, directories, links: links.length };
  return { root, entries, places, files, links, counts, structureSize };
}

interface PendingDirectory {
  readonly directory: DirectoryEntry;
  readonly path: string;
  /** Its number minus one. */
  readonly inodeIndex: number;
}

interface Placement {
  readonly files: readonly FileEntry[];
  readonly firstBlocks: readonly number[];
  /** First block of each of the files that were to be placed. */
  readonly blockOf: readonly number[];
  readonly endBlock: number;
  readonly bytes: number;
}

function placeData(all: readonly FileEntry[]): Placement {
  const { unique, uniqueOf } = shareContents(all);
  const blockOfUnique: number[] = new Array(unique.length).fill(FIRST_DATA_BLOCK);
  const files: FileEntry[] = [];
  const firstBlocks: number[] = [];
  let endBlock = FIRST_DATA_BLOCK;
  let bytes = 0;
  for (const index of emissionOrder(unique)) {
    const file = unique[index];
    if (file === undefined) continue;
    const block = file.size === 0 ? FIRST_DATA_BLOCK : endBlock;
    blockOfUnique[index] = block;
    files.push(file);
    firstBlocks.push(block);
    endBlock += Math.ceil(file.size / BLOCK_SIZE);
    bytes += file.size;
  }
  return { files, firstBlocks, blockOf: uniqueOf.map((index) => blockOfUnique[index] ?? 0), endBlock, bytes };
}

/** One of each content, and which of them each file has. Kernels cache by inode, so files may share blocks. */
function shareContents(all: readonly FileEntry[]): { unique: FileEntry[]; uniqueOf: number[] } {
  const unique: FileEntry[] = [];
  const hosts = new Map<string, number>();
  const streams = new Map<ContentStream, Map<number, number>>();
  const uniqueOf = all.map((file) => {
    const { content, size } = file;
    let before: number | undefined;
    if (content.kind === "host") {
      before = hosts.get(content.path);
      if (before === undefined) hosts.set(content.path, unique.length);
    } else if (content.kind === "extent") {
      const extents = streams.get(content.stream) ?? new Map<number, number>();
      before = extents.get(content.offset);
      if (before === undefined) streams.set(content.stream, extents.set(content.offset, unique.length));
    }
    return before !== undefined && unique[before]?.size === size ? before : unique.push(file) - 1;
  });
  return { unique, uniqueOf };
}

function encodeStructure(listing: Listing, blockOf: readonly number[]): Buffer {
  const structure = Buffer.alloc(roundUp(listing.structureSize, BLOCK_SIZE));
  let offset = 0;
  let inode = 2;
  for (const { name } of listing.entries) offset = encodeDirectoryEntry(structure, { inode: inode++, name }, offset);
  for (const { target } of listing.links) offset = encodeText(structure, target, offset);
  let number = 1;
  const encode = (entry: TreeEntry) => {
    const place = listing.places[number - 1] ?? 0;
    const dataOffset = entry.type === "file" ? (blockOf[place] ?? 0) : place;
    offset = encodeInode(structure, { mode: Mode[entry.type], number, dataOffset, count: countOf(entry) }, offset);
    number++;
  };
  encode(listing.root);
  for (const { entry } of listing.entries) encode(entry);
  return structure;
}

function countOf(entry: TreeEntry): number {
  if (entry.type === "file") return entry.size;
  return entry.type === "directory" ? entry.children.size : 1;
}

function linkLength({ target }: LinkEntry, path: string): number {
  const fault = linkTargetFault(target);
  if (fault === undefined) return byteLength(target);
  throw new CapstanError(`${quotePath(path)} cannot be a link in an image: ${fault}`, {
    code: "bad-link",
    hint: "Remove the link, or leave it out.",
  });
}

function checkSize(entries: number, structureSize: number): void {
  if (entries < MAX_INODES && structureSize <= MAX_STRUCTURE_SIZE) return;
  throw new CapstanError(`${entries} files, directories and links are more than a ROFS can have`, {
    code: "too-many-files",
    hint: "Put some of them into an archive, or onto a volume.",
  });
}
