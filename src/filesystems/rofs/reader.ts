import { CapstanError } from "../../support/errors.ts";
import { decodeName } from "../../support/name-bytes.ts";
import type { ReadableDevice } from "../device.ts";
import type { DirectoryEntry, FileEntry, FileTree, LinkEntry, TreeEntry } from "../filetree.ts";
import { isPathTooLong, linkTargetFault, nameFault, quotePath } from "../names.ts";
import { mostContentOn } from "../plausible-size.ts";
import { type TreeImage, treeImage } from "../tree-image.ts";
import {
  BLOCK_SIZE,
  decodeInode,
  decodeSuperblock,
  ENTRY_HEADER_SIZE,
  FIRST_DATA_BLOCK,
  getU64,
  INODE_SIZE,
  type Inode,
  LINK_HEADER_SIZE,
  MAGIC,
  MAX_INODES,
  MAX_STRUCTURE_SIZE,
  Mode,
  PERMISSIONS,
  type Superblock,
  VERSION,
} from "./layout.ts";

/** A ROFS that has been read and found sound: every mode is 0555 and every time 0, as a guest sees them. */
export interface RofsImage extends TreeImage {
  readonly superblock: Superblock;
}

/** Whether the device starts as a ROFS does: says nothing of its soundness. */
export function isRofs(device: ReadableDevice): boolean {
  return device.size >= BLOCK_SIZE && getU64(readBlock(device), 0) === MAGIC;
}

/**
 * Reads the tables of the ROFS at the start of `device`, and checks all of them. What other writers may do and ours
 * does not is accepted where OSv's generator or the original Capstan do it: unused blocks between files, inodes in
 * any order, a last block that the device cuts short.
 *
 * Errors: CapstanError `not-rofs`, `bad-rofs`. The methods throw `no-such-file` (exit code 66), `wrong-file-type`.
 */
export function openRofs(device: ReadableDevice): RofsImage {
  const superblock = readSuperblock(device);
  const tree = readTree(readTables(device, superblock), device);
  const size = (superblock.structureFirstBlock + superblock.structureBlockCount) * BLOCK_SIZE;
  return { superblock, ...treeImage(tree, size) };
}

function readSuperblock(device: ReadableDevice): Superblock {
  if (!isRofs(device)) {
    throw new CapstanError("There is no ROFS: its magic number is missing", {
      code: "not-rofs",
      hint: "Only images with a ROFS can be read.",
    });
  }
  const superblock = decodeSuperblock(readBlock(device)) ?? corrupt("a number of the superblock is beyond any disk");
  const { version, blockSize, structureFirstBlock, structureBlockCount, inodeCount } = superblock;
  if (version !== VERSION) corrupt(`its version is ${version}, and only ${VERSION} is known`);
  if (blockSize !== BLOCK_SIZE) corrupt(`its blocks have ${blockSize} bytes, and only ${BLOCK_SIZE} are known`);
  if (structureFirstBlock < FIRST_DATA_BLOCK) corrupt("its tables start within the superblock");
  if (structureBlockCount * BLOCK_SIZE > MAX_STRUCTURE_SIZE) corrupt(`its tables have ${structureBlockCount} blocks`);
  if (structureFirstBlock * BLOCK_SIZE >= device.size) corrupt("its tables lie behind the end of the disk");
  if (inodeCount > MAX_INODES) corrupt(`it has ${inodeCount} inodes`);
  if (inodeCount !== superblock.directoryEntryCount + 1) {
    corrupt(`it has ${superblock.directoryEntryCount} directory entries for ${inodeCount} inodes`);
  }
  return superblock;
}

function readBlock(device: ReadableDevice): Buffer {
  const block = Buffer.alloc(BLOCK_SIZE);
  device.read(block, 0);
  return block;
}

/** The structure area with the offset of every record of variable length, all within bounds. */
interface Tables {
  readonly superblock: Superblock;
  readonly area: Buffer;
  readonly entryOffsets: Uint32Array;
  readonly linkOffsets: Uint32Array;
  readonly inodesOffset: number;
}

function readTables(device: ReadableDevice, superblock: Superblock): Tables {
  const start = superblock.structureFirstBlock * BLOCK_SIZE;
  // The original Capstan does not pad the last block, so the disk may end within it.
  const size = Math.min(superblock.structureBlockCount * BLOCK_SIZE, device.size - start);
  if (size <= (superblock.structureBlockCount - 1) * BLOCK_SIZE) corrupt("the disk ends within its tables");
  const { directoryEntryCount, linkCount, inodeCount } = superblock;
  const smallest = directoryEntryCount * ENTRY_HEADER_SIZE + linkCount * LINK_HEADER_SIZE + inodeCount * INODE_SIZE;
  if (smallest > size) corrupt("its tables are too large for their blocks");
  const area = Buffer.allocUnsafeSlow(size);
  device.read(area, start);
  const entries = scan(area, 0, { count: directoryEntryCount, headerSize: ENTRY_HEADER_SIZE });
  const links = scan(area, entries.end, { count: linkCount, headerSize: LINK_HEADER_SIZE });
  if (links.end + inodeCount * INODE_SIZE > size) corrupt("its inodes lie behind the end of the tables");
  return { superblock, area, entryOffsets: entries.offsets, linkOffsets: links.offsets, inodesOffset: links.end };
}

/** Records whose header ends with a u16, the length of what follows it. */
function scan(area: Buffer, start: number, table: { count: number; headerSize: number }) {
  const offsets = new Uint32Array(table.count);
  let end = start;
  for (let index = 0; index < table.count; index++) {
    offsets[index] = end;
    const header = end + table.headerSize;
    if (header > area.length) corrupt("a table is cut off");
    end = header + area.readUInt16LE(header - 2);
    if (end > area.length) corrupt("a name or link is cut off");
  }
  return { offsets, end };
}

function readTree(tables: Tables, device: ReadableDevice): FileTree {
  const { directoryEntryCount } = tables.superblock;
  const rootInode = inodeAt(tables, 1, "/");
  if (rootInode.mode !== Mode.directory) corrupt("its first inode is not a directory");
  const tree = directory();
  /** Each entry belongs to one directory and each inode to one entry: with that, there are no circles. */
  const entryTaken = new Uint8Array(directoryEntryCount);
  const inodeTaken = new Uint8Array(tables.superblock.inodeCount + 1);
  inodeTaken[1] = 1;
  let taken = 0;
  let content = 0;
  const pending: { into: DirectoryEntry; inode: Inode; path: string }[] = [{ into: tree, inode: rootInode, path: "" }];
  for (let parent = pending.pop(); parent !== undefined; parent = pending.pop()) {
    const { into, inode, path } = parent;
    const end = inode.dataOffset + inode.count;
    if (end > directoryEntryCount) corrupt(`the entries of ${quotePath(path || "/")} lie outside the table`);
    for (let index = inode.dataOffset; index < end; index++) {
      if (entryTaken[index]) corrupt(`${quotePath(path || "/")} has entries of another directory`);
      entryTaken[index] = 1;
      taken++;
      const { name, number } = entryAt(tables, index, path);
      const full = `${path}/${name}`;
      if (into.children.has(name)) corrupt(`there are two ${quotePath(full)}`);
      if (isPathTooLong(full)) corrupt(`${quotePath(full)} is too long`);
      if (number < 1 || number >= inodeTaken.length) corrupt(`${quotePath(full)} has no inode`);
      if (inodeTaken[number]) corrupt(`${quotePath(full)} has the inode of another entry`);
      inodeTaken[number] = 1;
      const child = inodeAt(tables, number, full);
      const entry = toEntry(child, { tables, device, path: full });
      into.children.set(name, entry);
      content += entry.type === "file" ? entry.size : 0;
      if (content > mostContentOn(device)) corrupt("its files have far more bytes than its disk can hold");
      if (entry.type === "directory") pending.push({ into: entry, inode: child, path: full });
    }
  }
  if (taken !== directoryEntryCount) corrupt(`${directoryEntryCount - taken} entries belong to no directory`);
  return tree;
}

function entryAt({ area, entryOffsets }: Tables, index: number, parent: string): { name: string; number: number } {
  const offset = entryOffsets[index] ?? 0;
  const name = nameAt(area, offset + ENTRY_HEADER_SIZE);
  const fault = nameFault(name);
  if (fault !== undefined) corrupt(`there is a bad name in ${quotePath(parent || "/")}: ${fault}`);
  return { name, number: getU64(area, offset) ?? 0 };
}

function inodeAt({ area, inodesOffset }: Tables, number: number, path: string): Inode {
  const inode = decodeInode(area, inodesOffset + (number - 1) * INODE_SIZE);
  if (inode === undefined) return corrupt(`the inode of ${quotePath(path)} has a number that is beyond any disk`);
  if (inode.number !== number) corrupt(`the inode of ${quotePath(path)} has the number ${inode.number}, not ${number}`);
  return inode;
}

interface EntryPlace {
  readonly tables: Tables;
  readonly device: ReadableDevice;
  readonly path: string;
}

function toEntry(inode: Inode, place: EntryPlace): TreeEntry {
  switch (inode.mode) {
    case Mode.directory:
      return directory();
    case Mode.symlink:
      return link(inode, place);
    case Mode.file:
      return file(inode, place);
    default:
      return corrupt(`${quotePath(place.path)} is of the unknown type 0x${inode.mode.toString(16)}`);
  }
}

const ATTRIBUTES = { mode: PERMISSIONS, mtime: 0, origin: "the image" } as const;

function directory(): DirectoryEntry {
  return { type: "directory", ...ATTRIBUTES, children: new Map() };
}

function link(inode: Inode, { tables, path }: EntryPlace): LinkEntry {
  if (inode.dataOffset >= tables.linkOffsets.length) corrupt(`${quotePath(path)} is a link without a target`);
  if (inode.count !== 1) corrupt(`${quotePath(path)} is a link with ${inode.count} targets`);
  const offset = tables.linkOffsets[inode.dataOffset] ?? 0;
  const target = nameAt(tables.area, offset + LINK_HEADER_SIZE);
  const fault = linkTargetFault(target);
  if (fault !== undefined) corrupt(`${quotePath(path)} is a bad link: ${fault}`);
  return { type: "symlink", ...ATTRIBUTES, target };
}

function file(inode: Inode, { tables, device, path }: EntryPlace): FileEntry {
  const end = inode.dataOffset + Math.ceil(inode.count / BLOCK_SIZE);
  if (inode.dataOffset < FIRST_DATA_BLOCK || end > tables.superblock.structureFirstBlock) {
    corrupt(`the content of ${quotePath(path)} lies outside the file system`);
  }
  const content = { kind: "device", device, offset: inode.dataOffset * BLOCK_SIZE } as const;
  return { type: "file", ...ATTRIBUTES, size: inode.count, content };
}

/** The name or target at `offset`, whose length is the u16 before it. */
function nameAt(area: Buffer, offset: number): string {
  return decodeName(area.subarray(offset, offset + area.readUInt16LE(offset - 2)));
}

function corrupt(why: string): never {
  throw new CapstanError(`The ROFS is damaged: ${why}`, {
    code: "bad-rofs",
    hint: "Compose the image anew.",
  });
}
