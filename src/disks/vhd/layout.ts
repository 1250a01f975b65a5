/**
 * VHD, the disk format of Virtual PC, Hyper-V and Azure; QEMU calls it vpc. All numbers are big-endian.
 * Source: Microsoft, "Virtual Hard Disk Image Format Specification", version 1.0.
 *
 *     fixed:    the bytes of the disk, footer (512)
 *     growing:  copy of the footer, header (1024), block allocation table (4 bytes a block), blocks, footer
 *               a block is a bitmap of its sectors (one of 512 bytes for 2 MiB) and its bytes
 *
 * Azure takes fixed disks only, of whole MiB, whose current size says the whole (Microsoft Learn, "Prepare a Windows VHD").
 */
import { MiB } from "../../support/bytes.ts";
import { CapstanError } from "../../support/errors.ts";

export const SECTOR = 512;
export const FOOTER_SIZE = 512;
export const HEADER_SIZE = 1024;
export const BLOCK_SIZE = 2 * MiB;
export const BITMAP_SIZE = 512;
export const UNALLOCATED = 0xffffffff;
export const TABLE_OFFSET = FOOTER_SIZE + HEADER_SIZE;
/** Of growing disks, by the specification. */
export const LARGEST = 2040 * 2 ** 30;

export type VhdType = "fixed" | "dynamic";

const COOKIE = "conectix";
const HEADER_COOKIE = "cxsparse";
const TYPES: Readonly<Record<number, VhdType | "difference">> = { 2: "fixed", 3: "dynamic", 4: "difference" };
const VERSION = 0x00010000;
/** Seconds from 1970 to 2000, from which a footer counts. */
const EPOCH_2000 = 946_684_800;

/** Byte offsets in the footer. */
const FOOTER = {
  cookie: 0,
  features: 8,
  version: 12,
  dataOffset: 16,
  time: 24,
  creator: 28,
  creatorVersion: 32,
  creatorHost: 36,
  originalSize: 40,
  currentSize: 48,
  geometry: 56,
  type: 60,
  checksum: 64,
  uuid: 68,
} as const;

/** Byte offsets in the header of a growing disk. */
const HEADER = {
  cookie: 0,
  dataOffset: 8,
  tableOffset: 16,
  version: 24,
  entries: 28,
  blockSize: 32,
  checksum: 36,
} as const;

/**
 * Readers that know several ways of counting the sectors take the current size, not the geometry, where the creator is
 * Hyper-V's (QEMU, block/vpc.c).
 */
const CREATOR = "win ";
const CREATOR_VERSION = 0x000a0000;
const CREATOR_HOST = "Wi2k";

export interface VhdFooter {
  readonly type: VhdType;
  /** Of the disk, in bytes. */
  readonly size: number;
  /** Of the header of a growing disk. */
  readonly headerOffset: number;
}

export interface FooterFields {
  readonly type: VhdType;
  readonly size: number;
  /** 16 bytes. */
  readonly uuid: Uint8Array;
  /** Seconds since 1970. */
  readonly time: number;
}

export function encodeFooter({ type, size, uuid, time }: FooterFields): Buffer {
  const footer = Buffer.alloc(FOOTER_SIZE);
  footer.write(COOKIE, FOOTER.cookie, "latin1");
  footer.writeUInt32BE(2, FOOTER.features);
  footer.writeUInt32BE(VERSION, FOOTER.version);
  footer.writeBigUInt64BE(type === "fixed" ? 0xffffffffffffffffn : BigInt(FOOTER_SIZE), FOOTER.dataOffset);
  footer.writeUInt32BE(Math.max(0, Math.min(0xffffffff, Math.floor(time) - EPOCH_2000)), FOOTER.time);
  footer.write(CREATOR, FOOTER.creator, "latin1");
  footer.writeUInt32BE(CREATOR_VERSION, FOOTER.creatorVersion);
  footer.write(CREATOR_HOST, FOOTER.creatorHost, "latin1");
  footer.writeBigUInt64BE(BigInt(size), FOOTER.originalSize);
  footer.writeBigUInt64BE(BigInt(size), FOOTER.currentSize);
  const { cylinders, heads, sectors } = geometryOf(size);
  footer.writeUInt16BE(cylinders, FOOTER.geometry);
  footer.writeUInt8(heads, FOOTER.geometry + 2);
  footer.writeUInt8(sectors, FOOTER.geometry + 3);
  footer.writeUInt32BE(type === "fixed" ? 2 : 3, FOOTER.type);
  footer.set(uuid.subarray(0, 16), FOOTER.uuid);
  footer.writeUInt32BE(checksum(footer, FOOTER.checksum), FOOTER.checksum);
  return footer;
}

export function encodeDynamicHeader(entries: number): Buffer {
  const header = Buffer.alloc(HEADER_SIZE);
  header.write(HEADER_COOKIE, HEADER.cookie, "latin1");
  header.writeBigUInt64BE(0xffffffffffffffffn, HEADER.dataOffset);
  header.writeBigUInt64BE(BigInt(TABLE_OFFSET), HEADER.tableOffset);
  header.writeUInt32BE(VERSION, HEADER.version);
  header.writeUInt32BE(entries, HEADER.entries);
  header.writeUInt32BE(BLOCK_SIZE, HEADER.blockSize);
  header.writeUInt32BE(checksum(header, HEADER.checksum), HEADER.checksum);
  return header;
}

/** @throws CapstanError `vhd-damaged`, `vhd-unsupported` */
export function decodeFooter(footer: Buffer, path: string): VhdFooter {
  if (footer.toString("latin1", 0, COOKIE.length) !== COOKIE) throw vhdDamaged(path, "its footer is missing");
  if (footer.readUInt32BE(FOOTER.checksum) !== checksum(footer, FOOTER.checksum)) {
    throw vhdDamaged(path, "the checksum of its footer is wrong");
  }
  const number = footer.readUInt32BE(FOOTER.type);
  const type = TYPES[number];
  if (type === undefined) throw vhdDamaged(path, `${number} is no type of a disk`);
  if (type === "difference") throw vhdUnsupported(path, "the difference to another disk");
  const size = sizeOf(footer);
  const headerOffset = Number(footer.readBigUInt64BE(FOOTER.dataOffset));
  if (!Number.isSafeInteger(size) || size % SECTOR !== 0) throw vhdDamaged(path, `a disk of ${size} bytes`);
  return { type, size, headerOffset };
}

/** Virtual PC, and QEMU in its name, count sectors by the geometry; all others by the current size (QEMU, block/vpc.c). */
function sizeOf(footer: Buffer): number {
  const current = Number(footer.readBigUInt64BE(FOOTER.currentSize));
  const creator = footer.toString("latin1", FOOTER.creator, FOOTER.creator + 4);
  const [cylinders, heads, sectors] = [
    footer.readUInt16BE(FOOTER.geometry),
    footer.readUInt8(FOOTER.geometry + 2),
    footer.readUInt8(FOOTER.geometry + 3),
  ];
  const byGeometry = cylinders * heads * sectors * SECTOR;
  const isLargest = cylinders === 65535 && heads === 16 && sectors === 255;
  return (creator === "vpc " || creator === "qemu") && !isLargest && byGeometry > 0 ? byGeometry : current;
}

export interface DynamicHeader {
  readonly tableOffset: number;
  readonly entries: number;
  readonly blockSize: number;
}

/** @throws CapstanError `vhd-damaged` */
export function decodeDynamicHeader(
  header: Buffer,
  { path, size }: { readonly path: string; readonly size: number },
): DynamicHeader {
  if (header.toString("latin1", 0, HEADER_COOKIE.length) !== HEADER_COOKIE)
    throw vhdDamaged(path, "its header is missing");
  if (header.readUInt32BE(HEADER.checksum) !== checksum(header, HEADER.checksum)) {
    throw vhdDamaged(path, "the checksum of its header is wrong");
  }
  const tableOffset = Number(header.readBigUInt64BE(HEADER.tableOffset));
  const entries = header.readUInt32BE(HEADER.entries);
  const blockSize = header.readUInt32BE(HEADER.blockSize);
  const isPowerOfTwo = blockSize >= SECTOR && (blockSize & (blockSize - 1)) === 0;
  if (!isPowerOfTwo || blockSize > 256 * MiB) throw vhdDamaged(path, `blocks of ${blockSize} bytes`);
  if (!Number.isSafeInteger(tableOffset) || entries * blockSize < size) {
    throw vhdDamaged(path, `${entries} blocks of ${blockSize} bytes hold no disk of ${size}`);
  }
  return { tableOffset, entries, blockSize };
}

/** Cylinders, heads and sectors as the specification computes them (appendix "CHS Calculation"). */
export function geometryOf(size: number): {
  readonly cylinders: number;
  readonly heads: number;
  readonly sectors: number;
} {
  const total = Math.min(size / SECTOR, 65535 * 16 * 255);
  if (total >= 65535 * 16 * 63) return { cylinders: Math.floor(total / 255 / 16), heads: 16, sectors: 255 };
  let sectors = 17;
  let perHead = Math.floor(total / sectors);
  let heads = Math.max(4, Math.floor((perHead + 1023) / 1024));
  if (perHead >= heads * 1024 || heads > 16) {
    sectors = 31;
    heads = 16;
    perHead = Math.floor(total / sectors);
  }
  if (perHead >= heads * 1024) {
    sectors = 63;
    heads = 16;
    perHead = Math.floor(total / sectors);
  }
  return { cylinders: Math.floor(perHead / heads), heads, sectors };
}

/** The ones' complement of the sum of all bytes but those of the checksum itself. */
function checksum(bytes: Buffer, at: number): number {
  let sum = 0;
  bytes.forEach((byte, index) => {
    if (index < at || index >= at + 4) sum += byte;
  });
  return ~sum >>> 0;
}

export function vhdDamaged(path: string, what: string): CapstanError {
  return new CapstanError(`${path} is damaged: ${what}`, {
    code: "vhd-damaged",
    hint: "Look at it with qemu-img info -f vpc, or get the image again.",
  });
}

function vhdUnsupported(path: string, what: string): CapstanError {
  return new CapstanError(`${path} is ${what}, which is not supported`, {
    code: "vhd-unsupported",
    hint: "Merge it with its parent first.",
  });
}
