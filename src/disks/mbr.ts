/**
 * The partition table in the first sector of a disk, as OSv's kernel reads it.
 * Sources: OSv fs/devfs/device.cc (read_partition_table) for what counts, arch/x64/boot16.S for the signatures,
 * scripts/imgedit.py (setpartition) for how the entries of its images are made.
 */
import { CapstanError } from "../support/errors.ts";
import type { BlockDevice, WritableBlockDevice } from "./block-device.ts";

export const SECTOR = 512;
export const LINUX_PARTITION = 0x83;
/** The root file system is the second entry: `/dev/vblk0.1`. */
export const ROOT_PARTITION = 2;

const DISK_SIGNATURE = { offset: 0x1b8, bytes: Buffer.from([0x56, 0x53, 0x4f, 0x00]) };
const TABLE_OFFSET = 0x1be;
const ENTRY_SIZE = 16;
const ENTRIES = 4;
const BOOT_SIGNATURE = { offset: 0x1fe, bytes: Buffer.from([0x55, 0xaa]) };

const SECTORS_PER_TRACK = 63;
const HEADS = 255;
const LAST_CYLINDER = 1023;
const MAX_SECTORS = 0xffffffff;

/** An entry of the table; positions in sectors of 512 bytes. */
export interface PartitionEntry {
  /** 0x83 for the file systems of OSv; 0 makes an entry empty. */
  readonly type: number;
  readonly firstSector: number;
  readonly sectorCount: number;
}

/** A partition that the kernel sees; positions in bytes. */
export interface Partition {
  /** 1 to 4: its place in the table. */
  readonly number: number;
  readonly type: number;
  readonly start: number;
  readonly size: number;
}

/** Whether the first sector ends in 55 AA; without it the kernel sees no partitions. */
export function hasBootSignature(device: BlockDevice): boolean {
  return device.size >= SECTOR && isSigned(readFirstSector(device));
}

/** The partitions that the kernel sees, in the order of the table. They may reach beyond the end of the disk. */
export function readPartitionTable(device: BlockDevice): readonly Partition[] {
  if (device.size < SECTOR) return [];
  const sector = readFirstSector(device);
  if (!isSigned(sector)) return [];
  return Array.from({ length: ENTRIES }, (_, index) => {
    const entry = decodePartitionEntry(sector.subarray(entryOffset(index + 1)));
    return entry && toPartition(index + 1, entry);
  }).filter((partition) => partition !== undefined);
}

/** Puts the root file system into the table, and the signatures without which nothing finds it; all else stays. */
export function setRootPartition(
  device: WritableBlockDevice,
  place: { readonly start: number; readonly size: number },
): void {
  if (place.start % SECTOR !== 0 || place.size % SECTOR !== 0) {
    throw new RangeError(`a partition of ${place.size} bytes at ${place.start} is not made of whole sectors`);
  }
  if (place.start + place.size > device.size) {
    throw new RangeError(`a partition of ${place.size} bytes at ${place.start} lies outside a disk of ${device.size}`);
  }
  const sector = readFirstSector(device);
  const entry = encodePartitionEntry({
    type: LINUX_PARTITION,
    firstSector: place.start / SECTOR,
    sectorCount: place.size / SECTOR,
  });
  entry.copy(sector, entryOffset(ROOT_PARTITION));
  DISK_SIGNATURE.bytes.copy(sector, DISK_SIGNATURE.offset);
  BOOT_SIGNATURE.bytes.copy(sector, BOOT_SIGNATURE.offset);
  device.write(sector, 0);
}

/** Moves a partition of the table to another place; all else stays. */
export function movePartition(device: WritableBlockDevice, { number, type, start, size }: Partition): void {
  const sector = readFirstSector(device);
  const entry = encodePartitionEntry({ type, firstSector: start / SECTOR, sectorCount: size / SECTOR });
  entry.copy(sector, entryOffset(number));
  device.write(sector, 0);
}

/**
 * The 16 bytes of an entry:
 *
 *     +0  u8   status, 0
 *     +1  u8   first head                   +5  u8   last head
 *     +2  u16  first cylinder<<6 | sector   +6  u16  last cylinder<<6 | sector
 *     +4  u8   type
 *     +8  u32  first sector                 +12 u32  number of sectors
 *
 * Little-endian. "Last" is the sector behind the last, as OSv's own tool has it; no kernel looks at it.
 */
export function encodePartitionEntry({ type, firstSector, sectorCount }: PartitionEntry): Buffer {
  if (firstSector > MAX_SECTORS || sectorCount > MAX_SECTORS) {
    throw new CapstanError("A partition table cannot express sizes of 2 TiB and more", {
      code: "partition-too-large",
      hint: "Make the image smaller.",
    });
  }
  const bytes = Buffer.alloc(ENTRY_SIZE);
  writeChs(bytes, 1, firstSector);
  bytes.writeUInt8(type, 4);
  writeChs(bytes, 5, firstSector + sectorCount);
  bytes.writeUInt32LE(firstSector, 8);
  bytes.writeUInt32LE(sectorCount, 12);
  return bytes;
}

/** The entry, or undefined for one that the kernel passes over: type 0, or 0 as the sector where it starts. */
export function decodePartitionEntry(bytes: Buffer): PartitionEntry | undefined {
  const type = bytes.readUInt8(4);
  const startSectorInTrack = bytes.readUInt16LE(2) & 0x3f;
  if (type === 0 || startSectorInTrack === 0) return undefined;
  return { type, firstSector: bytes.readUInt32LE(8), sectorCount: bytes.readUInt32LE(12) };
}

/** Head, then cylinder and sector in one field. What lies beyond cylinder 1023 is its last head and sector. */
function writeChs(bytes: Buffer, at: number, lba: number): void {
  const track = Math.floor(lba / SECTORS_PER_TRACK);
  let cylinder = Math.floor(track / HEADS);
  let head = track % HEADS;
  let sector = (lba % SECTORS_PER_TRACK) + 1;
  if (cylinder > LAST_CYLINDER) [cylinder, head, sector] = [LAST_CYLINDER, HEADS - 1, SECTORS_PER_TRACK];
  bytes.writeUInt8(head, at);
  bytes.writeUInt16LE((cylinder << 6) | sector, at + 1);
}

function toPartition(number: number, { type, firstSector, sectorCount }: PartitionEntry): Partition {
  return { number, type, start: firstSector * SECTOR, size: sectorCount * SECTOR };
}

function entryOffset(number: number): number {
  return TABLE_OFFSET + (number - 1) * ENTRY_SIZE;
}

function isSigned(sector: Buffer): boolean {
  return sector.subarray(BOOT_SIGNATURE.offset).equals(BOOT_SIGNATURE.bytes);
}

function readFirstSector(device: BlockDevice): Buffer {
  const sector = Buffer.alloc(SECTOR);
  device.read(sector, 0);
  return sector;
}
