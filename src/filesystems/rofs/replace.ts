import { encodeName } from "../../support/name-bytes.ts";
import type { ReadableDevice, WritableDevice } from "../device.ts";
import {
  BLOCK_SIZE,
  decodeInode,
  decodeSuperblock,
  ENTRY_HEADER_SIZE,
  encodeInode,
  FIRST_DATA_BLOCK,
  getU64,
  INODE_SIZE,
  type Inode,
  LINK_HEADER_SIZE,
  MAGIC,
  MAX_STRUCTURE_SIZE,
  Mode,
} from "./layout.ts";

/** A regular file of a ROFS that can be given another content without a change of anything else. */
export interface ReplaceableFile {
  /** Where its content lies on the device, in bytes. */
  readonly offset: number;
  readonly size: number;
  /** Whether the content lies behind the tables, where only `replace` puts it. */
  readonly isReplaced: boolean;
  /**
   * Writes `content` at `offset`, the start of a block that belongs to nothing else, and makes it the file's.
   * The device is to end, for the guest too, behind it.
   */
  replace(content: Uint8Array, offset: number): void;
}

/**
 * The file at an absolute path without links in it. Undefined when there is none, or the tables are not sound as far as they
 * are looked at: what is behind them is a guest's to find out.
 */
export function findReplaceable(device: ReadableDevice & WritableDevice, path: string): ReplaceableFile | undefined {
  const tables = readTables(device);
  const number = tables && find(tables, path);
  const place = tables && number !== undefined ? inodePlace(tables, number) : undefined;
  const inode = tables && place !== undefined ? decodeInode(tables.area, place) : undefined;
  if (tables === undefined || place === undefined || inode?.mode !== Mode.file) return undefined;
  const offset = inode.dataOffset * BLOCK_SIZE;
  if (offset + inode.count > device.size) return undefined;
  return {
    offset,
    size: inode.count,
    isReplaced: offset >= tables.start + tables.area.length,
    replace: (content, at) => replace(device, { inode, content, at, inodeAt: tables.start + place }),
  };
}

interface Replacement {
  readonly inode: Inode;
  readonly content: Uint8Array;
  readonly at: number;
  readonly inodeAt: number;
}

function replace(device: WritableDevice, { inode, content, at, inodeAt }: Replacement): void {
  if (at % BLOCK_SIZE !== 0) throw new RangeError(`a file of a ROFS cannot start at ${at}`);
  // Guests read whole blocks.
  const blocks = Buffer.alloc(Math.ceil(content.length / BLOCK_SIZE) * BLOCK_SIZE);
  blocks.set(content);
  device.write(blocks, at);
  const record = Buffer.alloc(INODE_SIZE);
  const dataOffset = content.length === 0 ? FIRST_DATA_BLOCK : at / BLOCK_SIZE;
  encodeInode(record, { ...inode, dataOffset, count: content.length }, 0);
  device.write(record, inodeAt);
}

interface Tables {
  readonly area: Buffer;
  /** Of the area, on the device. */
  readonly start: number;
  readonly entries: readonly number[];
  readonly inodesAt: number;
}

function readTables(device: ReadableDevice): Tables | undefined {
  if (device.size < BLOCK_SIZE) return undefined;
  const block = Buffer.alloc(BLOCK_SIZE);
  device.read(block, 0);
  const superblock = getU64(block, 0) === MAGIC ? decodeSuperblock(block) : undefined;
  if (superblock === undefined) return undefined;
  const start = superblock.structureFirstBlock * BLOCK_SIZE;
  // A last block that the device cuts short is one of the original's.
  const size = Math.min(superblock.structureBlockCount * BLOCK_SIZE, device.size - start);
  if (size <= 0 || size > MAX_STRUCTURE_SIZE) return undefined;
  const area = Buffer.alloc(size);
  device.read(area, start);
  const entries = scan(area, 0, { count: superblock.directoryEntryCount, headerSize: ENTRY_HEADER_SIZE });
  const links = entries && scan(area, entries.end, { count: superblock.linkCount, headerSize: LINK_HEADER_SIZE });
  return links && { area, start, entries: entries.places, inodesAt: links.end };
}

/** Records whose header ends with a u16, the length of what follows it. */
function scan(area: Buffer, start: number, table: { count: number; headerSize: number }) {
  const places: number[] = [];
  let end = start;
  for (let index = 0; index < table.count; index++) {
    const header = end + table.headerSize;
    if (header > area.length) return undefined;
    places.push(end);
    end = header + area.readUInt16LE(header - 2);
  }
  return end <= area.length ? { places, end } : undefined;
}

/** The number of the inode at a path. */
function find(tables: Tables, path: string): number | undefined {
  let number: number | undefined = 1;
  for (const name of path.split("/").filter((part) => part !== "")) {
    const place: number | undefined = number === undefined ? undefined : inodePlace(tables, number);
    const inode: Inode | undefined = place === undefined ? undefined : decodeInode(tables.area, place);
    if (inode?.mode !== Mode.directory) return undefined;
    number = findEntry(tables, inode, encodeName(name));
  }
  return number;
}

function findEntry({ area, entries }: Tables, { dataOffset, count }: Inode, name: Buffer): number | undefined {
  const place = entries.slice(dataOffset, dataOffset + count).find((at) => {
    const start = at + ENTRY_HEADER_SIZE;
    return area.subarray(start, start + area.readUInt16LE(start - 2)).equals(name);
  });
  return place === undefined ? undefined : getU64(area, place);
}

function inodePlace({ area, inodesAt }: Tables, number: number): number | undefined {
  const place = inodesAt + (number - 1) * INODE_SIZE;
  return number >= 1 && place + INODE_SIZE <= area.length ? place : undefined;
}
