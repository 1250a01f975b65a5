import { createHash } from "node:crypto";

import { type BlockPointer, decodeBlockPointer, encodeBlockPointer, type NewBlockPointer } from "./block-pointer.ts";
import { asBuffer, getU64, putU64 } from "./integers.ts";
import { EMBEDDED_CHECKSUM_MAGIC, EMBEDDED_CHECKSUM_SIZE, UBERBLOCK_MAGIC, UBERBLOCK_SIZE } from "./layout.ts";

/** The root of a pool as one transaction group left it (uberblock_t). */
export interface Uberblock {
  readonly version: number;
  readonly txg: number;
  /** The GUIDs of the pool and of all vdevs, added modulo 2^64. */
  readonly guidSum: bigint;
  /** Seconds since 1970. */
  readonly timestamp: number;
  /** The objset block of the MOS. */
  readonly root: BlockPointer;
}

export type NewUberblock = Omit<Uberblock, "root"> & { readonly root: NewBlockPointer };

/** A slot of 1 KiB, without its checksum: see `sealArea`. */
export function encodeUberblock(uberblock: NewUberblock): Buffer {
  const slot = Buffer.alloc(UBERBLOCK_SIZE);
  putU64(slot, UBERBLOCK_MAGIC, 0);
  putU64(slot, uberblock.version, 8);
  putU64(slot, uberblock.txg, 16);
  slot.writeBigUInt64LE(BigInt.asUintN(64, uberblock.guidSum), 24);
  putU64(slot, uberblock.timestamp, 32);
  encodeBlockPointer(slot, uberblock.root, 40);
  putU64(slot, uberblock.version, 168); // software version
  return slot;
}

/** Undefined when there is none, or none that can be understood. Its checksum is not looked at. */
export function decodeUberblock(slot: Uint8Array): Uberblock | undefined {
  const bytes = asBuffer(slot);
  const [magic, version, txg, timestamp] = [0, 8, 16, 32].map((at) => getU64(bytes, at));
  const root = decodeBlockPointer(bytes, 40);
  if (magic !== UBERBLOCK_MAGIC || version === undefined || txg === undefined || timestamp === undefined) {
    return undefined;
  }
  if (root === undefined || root === "bad" || "embedded" in root) return undefined;
  return { version, txg, guidSum: bytes.readBigUInt64LE(24), timestamp, root };
}

/**
 * Puts the checksum at the end of the nvlist area of a label, or of an uberblock's slot. `place` is where the area
 * starts in the partition: it is part of the checksum (zio_checksum.c: zio_checksum_compute, ZCHECKSUM_FLAG_EMBEDDED).
 */
export function sealArea(area: Uint8Array, place: number): void {
  asBuffer(area).set(seal(area, place), area.length - EMBEDDED_CHECKSUM_SIZE);
}

/** Whether the checksum at the end of the area is right. */
export function isSealed(area: Uint8Array, place: number): boolean {
  return asBuffer(area).subarray(-EMBEDDED_CHECKSUM_SIZE).equals(seal(area, place));
}

/** SHA-256 as ZFS keeps it: four words in the byte order of the disk. */
export function sha256Words(...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest().swap64();
}

function seal(area: Uint8Array, place: number): Buffer {
  const end = Buffer.alloc(EMBEDDED_CHECKSUM_SIZE);
  end.writeBigUInt64LE(EMBEDDED_CHECKSUM_MAGIC, 0);
  putU64(end, place, 8);
  end.set(sha256Words(area.subarray(0, area.length - EMBEDDED_CHECKSUM_SIZE), end), 8);
  return end;
}
