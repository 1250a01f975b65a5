import type { BlockDevice } from "../../disks/block-device.ts";
import { SECTOR } from "../../disks/mbr.ts";

/** What lies on a volume, told by its first bytes. */
export type VolumeContent = "rofs" | "zfs" | "ext" | "partitions" | "empty" | "unknown";

/**
 * Sources: ROFS fs/rofs/rofs.hh of OSv; ZFS: the uberblocks of the first label, from 128 KiB on, each with the magic
 * 0x00bab10c; ext: the magic 0xef53 at byte 56 of the superblock, which lies at byte 1024.
 */
export function contentOf(device: BlockDevice): VolumeContent {
  const start = read(device, 0, 2 * KiB);
  if (u64(start, 0) === 0xdeadbeadn) return "rofs";
  if (start.length >= 1082 && start.readUInt16LE(1080) === 0xef53) return "ext";
  if (hasUberblock(read(device, 128 * KiB, 128 * KiB))) return "zfs";
  if (start.length >= SECTOR && start.readUInt16LE(510) === 0xaa55) return "partitions";
  return start.every((byte) => byte === 0) ? "empty" : "unknown";
}

const KiB = 1024;
const UBERBLOCK_MAGIC = 0x00bab10cn;

function hasUberblock(uberblocks: Buffer): boolean {
  for (let at = 0; at + 8 <= uberblocks.length; at += KiB) if (u64(uberblocks, at) === UBERBLOCK_MAGIC) return true;
  return false;
}

function read(device: BlockDevice, offset: number, length: number): Buffer {
  const bytes = Buffer.alloc(Math.max(0, Math.min(length, device.size - offset)));
  if (bytes.length > 0) device.read(bytes, offset);
  return bytes;
}

function u64(bytes: Buffer, offset: number): bigint {
  return bytes.length < offset + 8 ? 0n : bytes.readBigUInt64LE(offset);
}
