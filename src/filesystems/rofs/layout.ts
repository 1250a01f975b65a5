/**
 * The records of ROFS, OSv's read-only file system. All numbers are little-endian.
 *
 *     block 0            superblock
 *     from block 1       the content of the files, each from a block's start; an empty file has no block
 *     structure area     directory entries, links and inodes, in this order, packed without padding
 *
 * Sources: OSv's fs/rofs/rofs.hh (the records), fs/rofs/rofs_vfsops.cc (how they are read), scripts/gen-rofs-img.py
 * (how they are written); the same from v0.57.0 to the head of 2026-08.
 */
import { MiB } from "../../support/bytes.ts";
import { encodeName, hasOddBytes } from "../../support/name-bytes.ts";
import type { TreeEntry } from "../filetree.ts";

/** BSIZE of the kernel; the field of the superblock says it once more, and no other is understood. */
export const BLOCK_SIZE = 512;

/** ROFS_MAGIC and ROFS_VERSION. */
export const MAGIC = 0xdeadbead;
export const VERSION = 1;

/** Where contents start, and what an empty file gives as its place: kernels never read it, and it lies inside the data. */
export const FIRST_DATA_BLOCK = 1;

/** The superblock: eight u64 in this order (struct rofs_super_block). */
const SUPERBLOCK_FIELDS = [
  "magic",
  "version",
  "blockSize",
  "structureFirstBlock",
  "structureBlockCount",
  "directoryEntryCount",
  "linkCount",
  "inodeCount",
] as const;

export type Superblock = Readonly<Record<(typeof SUPERBLOCK_FIELDS)[number], number>>;

/**
 * An inode: four u64 in this order. The kernel reads the mode as a u32 with 4 bytes of padding (struct rofs_inode),
 * OSv's generator writes a u64: the upper half is 0.
 */
const INODE_FIELDS = [
  "mode",
  /** From 1, which is the root directory; inode n is the n-th of the table. */
  "number",
  /** File: first block. Directory: index of its first entry in the table of entries. Link: index in the table of links. */
  "dataOffset",
  /** File: size in bytes. Directory: how many entries. Link: 1. */
  "count",
] as const;

export type Inode = Readonly<Record<(typeof INODE_FIELDS)[number], number>>;

export const INODE_SIZE = 8 * INODE_FIELDS.length;

/** Only the type bits of st_mode: the permissions of all are 0555 (rofs_common.cc: rofs_set_vnode). */
export const Mode = { directory: 0x4000, file: 0x8000, symlink: 0xa000 } as const satisfies Record<
  TreeEntry["type"],
  number
>;

/** What a guest sees as permissions of everything (rofs_vnops.cc: rofs_getattr); times are 0. */
export const PERMISSIONS = 0o555;

/** A directory entry: u64 inode number, u16 length of the name, the name's bytes (rofs_vfsops.cc: rofs_mount). */
export const ENTRY_HEADER_SIZE = 10;
/** A link: u16 length of the target, the target's bytes. */
export const LINK_HEADER_SIZE = 2;

/** Lookups keep inode numbers in an int (rofs_vnops.cc: rofs_lookup). */
export const MAX_INODES = 0x7fff_ffff;

/**
 * Ours: the kernel reads the structure area in one piece into contiguous memory, so a larger one has no guest.
 * It is room for more than a million files.
 */
export const MAX_STRUCTURE_SIZE = 128 * MiB;

/** One block. */
export function encodeSuperblock(superblock: Superblock): Buffer {
  const block = Buffer.alloc(BLOCK_SIZE);
  for (const [index, field] of SUPERBLOCK_FIELDS.entries()) putU64(block, superblock[field], 8 * index);
  return block;
}

/** Undefined when a field is beyond 2^53, and so beyond any disk. */
export function decodeSuperblock(block: Uint8Array): Superblock | undefined {
  return decodeFields(SUPERBLOCK_FIELDS, asBuffer(block), 0);
}

/** Returns the offset behind it. */
export function encodeInode(target: Buffer, inode: Inode, offset: number): number {
  // In the order of INODE_FIELDS.
  putU64(target, inode.mode, offset);
  putU64(target, inode.number, offset + 8);
  putU64(target, inode.dataOffset, offset + 16);
  putU64(target, inode.count, offset + 24);
  return offset + INODE_SIZE;
}

/** Undefined when a field is beyond 2^53. */
export function decodeInode(source: Buffer, offset: number): Inode | undefined {
  return decodeFields(INODE_FIELDS, source, offset);
}

/** Returns the offset behind it. */
export function encodeDirectoryEntry(target: Buffer, entry: { inode: number; name: string }, offset: number): number {
  putU64(target, entry.inode, offset);
  return encodeText(target, entry.name, offset + 8);
}

/** Returns the offset behind it. A link's target, and the second half of a directory entry. */
export function encodeText(target: Buffer, text: string, offset: number): number {
  const start = offset + LINK_HEADER_SIZE;
  const length = hasOddBytes(text) ? encodeName(text).copy(target, start) : target.write(text, start, "utf8");
  target.writeUInt16LE(length, offset);
  return start + length;
}

/** Undefined when the number is beyond 2^53. */
export function getU64(source: Buffer, offset: number): number | undefined {
  const value = source.readUInt32LE(offset + 4) * 0x1_0000_0000 + source.readUInt32LE(offset);
  return Number.isSafeInteger(value) ? value : undefined;
}

function putU64(target: Buffer, value: number, offset: number): void {
  target.writeUInt32LE(value % 0x1_0000_0000, offset);
  target.writeUInt32LE(Math.floor(value / 0x1_0000_0000), offset + 4);
}

function decodeFields<Field extends string>(
  fields: readonly Field[],
  source: Buffer,
  offset: number,
): Readonly<Record<Field, number>> | undefined {
  const record: Partial<Record<Field, number>> = {};
  for (const [index, field] of fields.entries()) {
    const value = getU64(source, offset + 8 * index);
    if (value === undefined) return undefined;
    record[field] = value;
  }
  return record as Readonly<Record<Field, number>>;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
