/**
 * VMDK, VMware's disk format: one file that holds a sparse extent and its description. All numbers are little-endian,
 * positions and lengths in sectors of 512 bytes.
 * Source: VMware, "Virtual Disk Format 5.0" (technical note), sections "Hosted Sparse Extents" and "Stream-Optimized
 * Compressed Sparse Extents".
 *
 *     monolithicSparse: header, description, two grain directories each with its grain tables, grains of 64 KiB
 *     streamOptimized:  header, description, compressed grains each behind a marker, grain tables and directory behind
 *                       markers, footer (the header again, with the place of the directory), end-of-stream marker
 */
import { KiB, MiB } from "../../support/bytes.ts";
import { CapstanError } from "../../support/errors.ts";

export const SECTOR = 512;
export const GRAIN_SIZE = 64 * KiB;
export const GRAIN_SECTORS = GRAIN_SIZE / SECTOR;
export const TABLE_ENTRIES = 512;
/** Bytes of a grain table, and what of the disk it maps. */
export const TABLE_SIZE = TABLE_ENTRIES * 4;
export const TABLE_SPAN = TABLE_ENTRIES * GRAIN_SIZE;
export const DESCRIPTION_SECTOR = 1;
export const DESCRIPTION_SECTORS = 20;
/** Sector numbers have 32 bits. */
export const LARGEST = 2 ** 41 - MiB;
/** VMware makes no disks above 62 TiB (vSphere's configuration maximums). */
const LARGEST_READ = 64 * 2 ** 40;
/** Of the directory in the header, when it stands in the footer. */
export const DIRECTORY_AT_END = 0xffffffffffffffffn;

const MAGIC = "KDMV";
const FLAG_NEWLINES = 1;
const FLAG_SECOND_DIRECTORY = 2;
const FLAG_ZERO_GRAINS = 4;
const FLAG_COMPRESSED = 1 << 16;
const FLAG_MARKERS = 1 << 17;
const DEFLATE = 1;
/** What a transfer in text mode would change. */
const NEWLINES = Buffer.from("\n \r\n", "latin1");

/** Byte offsets of the header's fields, which are packed. */
const FIELD = {
  magic: 0,
  version: 4,
  flags: 8,
  capacity: 12,
  grainSize: 20,
  descriptionOffset: 28,
  descriptionSize: 36,
  tableEntries: 44,
  secondDirectory: 48,
  directory: 56,
  overhead: 64,
  unclean: 72,
  newlines: 73,
  compression: 77,
} as const;

export interface VmdkHeader {
  /** Of the disk, in sectors. */
  readonly capacity: number;
  readonly grainSectors: number;
  readonly tableEntries: number;
  /** Of the grain directory, in sectors; undefined where the footer says it. */
  readonly directory: number | undefined;
  readonly compressed: boolean;
  readonly hasMarkers: boolean;
  /** Table entries of 1 are grains of zeros. */
  readonly zeroGrains: boolean;
}

export interface HeaderFields {
  readonly capacity: number;
  readonly secondDirectory: number;
  readonly directory: bigint;
  /** Sectors before the first grain. */
  readonly overhead: number;
  readonly streamOptimized: boolean;
}

export function encodeHeader(fields: HeaderFields): Buffer {
  const { streamOptimized } = fields;
  const header = Buffer.alloc(SECTOR);
  const flags = FLAG_NEWLINES | (streamOptimized ? FLAG_COMPRESSED | FLAG_MARKERS : FLAG_SECOND_DIRECTORY);
  header.write(MAGIC, FIELD.magic, "latin1");
  header.writeUInt32LE(streamOptimized ? 3 : 1, FIELD.version);
  header.writeUInt32LE(flags, FIELD.flags);
  header.writeBigUInt64LE(BigInt(fields.capacity), FIELD.capacity);
  header.writeBigUInt64LE(BigInt(GRAIN_SECTORS), FIELD.grainSize);
  header.writeBigUInt64LE(BigInt(DESCRIPTION_SECTOR), FIELD.descriptionOffset);
  header.writeBigUInt64LE(BigInt(DESCRIPTION_SECTORS), FIELD.descriptionSize);
  header.writeUInt32LE(TABLE_ENTRIES, FIELD.tableEntries);
  header.writeBigUInt64LE(BigInt(fields.secondDirectory), FIELD.secondDirectory);
  header.writeBigUInt64LE(fields.directory, FIELD.directory);
  header.writeBigUInt64LE(BigInt(fields.overhead), FIELD.overhead);
  NEWLINES.copy(header, FIELD.newlines);
  header.writeUInt16LE(streamOptimized ? DEFLATE : 0, FIELD.compression);
  return header;
}

/** Whether a file that starts so is a sparse VMDK. */
export function isVmdk(start: Buffer): boolean {
  return start.toString("latin1", 0, 4) === MAGIC;
}

/** @throws CapstanError `vmdk-damaged`, `vmdk-unsupported` */
export function decodeHeader(header: Buffer, path: string): VmdkHeader {
  if (header.length < SECTOR || header.toString("latin1", 0, 4) !== MAGIC) throw notSparse(header, path);
  const version = header.readUInt32LE(FIELD.version);
  if (version < 1 || version > 3) throw vmdkUnsupported(path, `version ${version}`);
  const flags = header.readUInt32LE(FIELD.flags);
  const newlines = header.subarray(FIELD.newlines, FIELD.newlines + NEWLINES.length);
  if ((flags & FLAG_NEWLINES) !== 0 && !newlines.equals(NEWLINES)) {
    throw vmdkDamaged(path, "line ends were changed in it: it was transferred as a text");
  }
  const compression = header.readUInt16LE(FIELD.compression);
  const compressed = (flags & FLAG_COMPRESSED) !== 0;
  if (compressed && compression !== DEFLATE) throw vmdkUnsupported(path, `compression ${compression}`);
  const capacity = Number(header.readBigUInt64LE(FIELD.capacity));
  const grainSectors = Number(header.readBigUInt64LE(FIELD.grainSize));
  const tableEntries = header.readUInt32LE(FIELD.tableEntries);
  if (!(capacity * SECTOR <= LARGEST_READ)) throw vmdkDamaged(path, `a disk of ${capacity} sectors`);
  const isPowerOfTwo = grainSectors >= 8 && grainSectors <= 2048 && (grainSectors & (grainSectors - 1)) === 0;
  if (!isPowerOfTwo) throw vmdkDamaged(path, `grains of ${grainSectors} sectors`);
  if (tableEntries < 1 || tableEntries > 4096) throw vmdkDamaged(path, `grain tables of ${tableEntries} entries`);
  const directory = header.readBigUInt64LE(FIELD.directory);
  return {
    capacity,
    grainSectors,
    tableEntries,
    directory: directory === DIRECTORY_AT_END ? undefined : Number(directory),
    compressed,
    hasMarkers: (flags & FLAG_MARKERS) !== 0,
    zeroGrains: (flags & FLAG_ZERO_GRAINS) !== 0,
  };
}

export const MARKER = { endOfStream: 0, grainTable: 1, grainDirectory: 2, footer: 3 } as const;

/** A marker of metadata: how many sectors follow, and of what kind. */
export function encodeMarker(sectors: number, type: number): Buffer {
  const marker = Buffer.alloc(SECTOR);
  marker.writeBigUInt64LE(BigInt(sectors), 0);
  marker.writeUInt32LE(type, 12);
  return marker;
}

/** What stands right before the compressed bytes of a grain: its first sector on the disk, and their number. */
export const GRAIN_MARKER_SIZE = 12;

export interface Description {
  readonly type: "monolithicSparse" | "streamOptimized";
  readonly capacity: number;
  /** Of the extent's file: its own name. */
  readonly fileName: string;
  /** A random 32-bit number that changes with the content. */
  readonly contentId: number;
  readonly adapter: "ide" | "lsilogic";
}

export function encodeDescription({ type, capacity, fileName, contentId, adapter }: Description): Buffer {
  const heads = adapter === "ide" ? 16 : 255;
  const sectors = 63;
  const lines = [
    "# Disk DescriptorFile",
    "version=1",
    `CID=${contentId.toString(16).padStart(8, "0")}`,
    "parentCID=ffffffff",
    `createType="${type}"`,
    "",
    "# Extent description",
    `RW ${capacity} SPARSE "${fileName.replace(/["\r\n]/g, "_")}"`,
    "",
    "# The Disk Data Base",
    "#DDB",
    "",
    'ddb.virtualHWVersion = "4"',
    `ddb.geometry.cylinders = "${Math.min(16383, Math.floor(capacity / heads / sectors))}"`,
    `ddb.geometry.heads = "${heads}"`,
    `ddb.geometry.sectors = "${sectors}"`,
    `ddb.adapterType = "${adapter}"`,
    "",
  ];
  const text = Buffer.from(lines.join("\n"), "utf8");
  const description = Buffer.alloc(DESCRIPTION_SECTORS * SECTOR);
  text.copy(description, 0, 0, description.length - 1);
  return description;
}

function notSparse(header: Buffer, path: string): CapstanError {
  const isText = header.toString("latin1", 0, 21) === "# Disk DescriptorFile";
  if (isText) return vmdkUnsupported(path, "only the description of other files");
  if (header.toString("latin1", 0, 4) === "COWD") return vmdkUnsupported(path, "an extent of an old ESX");
  return vmdkDamaged(path, "its header is missing");
}

export function vmdkDamaged(path: string, what: string): CapstanError {
  return new CapstanError(`${path} is damaged: ${what}`, {
    code: "vmdk-damaged",
    hint: "Look at it with qemu-img check, or get the image again.",
  });
}

export function vmdkUnsupported(path: string, what: string): CapstanError {
  return new CapstanError(`${path} is ${what}, which is not supported`, {
    code: "vmdk-unsupported",
    hint: `Make one sparse disk of it: qemu-img convert -O vmdk ${path} whole.vmdk`,
  });
}
