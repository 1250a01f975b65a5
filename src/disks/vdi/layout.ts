/**
 * VDI, VirtualBox's own disk format, version 1.1. All numbers are little-endian.
 * Sources: VirtualBox, src/VBox/Storage/VDICore.h (the structures), and the comment at the head of QEMU's block/vdi.c.
 *
 *     header     512 bytes
 *     block map  4 bytes a block of the disk: the number of the block in the file, or one of the marks below
 *     blocks     1 MiB each
 */
import { MiB } from "../../support/bytes.ts";
import { CapstanError } from "../../support/errors.ts";

export const HEADER_SIZE = 512;
export const SIGNATURE = 0xbeda107f;
export const BLOCK_SIZE = MiB;
/** Of blocks that were never written, and of those that were given up: both read as zeros. */
export const UNALLOCATED = 0xffffffff;
export const DISCARDED = 0xfffffffe;

const VERSION_1_1 = 0x00010001;
/** Of the header's versioned part, from byte 72 on. */
const HEADER_PART = 400;
const DYNAMIC = 1;
const STATIC = 2;
const TEXT = "<<< Capstan disk image >>>\n";
const SECTOR = 512;

/** Byte offsets of the header's fields. */
const FIELD = {
  text: 0,
  signature: 64,
  version: 68,
  headerPart: 72,
  type: 76,
  mapOffset: 340,
  dataOffset: 344,
  cylinders: 348,
  heads: 352,
  sectors: 356,
  sectorSize: 360,
  size: 368,
  blockSize: 376,
  blockExtra: 380,
  blocks: 384,
  allocated: 388,
  uuid: 392,
  uuidLastSnapshot: 408,
  uuidLink: 424,
  uuidParent: 440,
} as const;

export interface VdiHeader {
  readonly mapOffset: number;
  readonly dataOffset: number;
  /** Of the disk, in bytes. */
  readonly size: number;
  readonly blockSize: number;
  /** Bytes before the data of each block. */
  readonly blockExtra: number;
  readonly blocks: number;
}

export interface VdiFields {
  readonly size: number;
  readonly blocks: number;
  readonly allocated: number;
  readonly mapOffset: number;
  readonly dataOffset: number;
  /** 16 bytes that no other disk has: VirtualBox refuses two of the same. */
  readonly uuid: Uint8Array;
}

export function encodeHeader({ size, blocks, allocated, mapOffset, dataOffset, uuid }: VdiFields): Buffer {
  const header = Buffer.alloc(HEADER_SIZE);
  header.write(TEXT, FIELD.text, "latin1");
  header.writeUInt32LE(SIGNATURE, FIELD.signature);
  header.writeUInt32LE(VERSION_1_1, FIELD.version);
  header.writeUInt32LE(HEADER_PART, FIELD.headerPart);
  header.writeUInt32LE(DYNAMIC, FIELD.type);
  header.writeUInt32LE(mapOffset, FIELD.mapOffset);
  header.writeUInt32LE(dataOffset, FIELD.dataOffset);
  header.writeUInt32LE(SECTOR, FIELD.sectorSize);
  header.writeBigUInt64LE(BigInt(size), FIELD.size);
  header.writeUInt32LE(BLOCK_SIZE, FIELD.blockSize);
  header.writeUInt32LE(blocks, FIELD.blocks);
  header.writeUInt32LE(allocated, FIELD.allocated);
  header.set(uuid.subarray(0, 16), FIELD.uuid);
  // A snapshot that there is not has an identity all the same; links to parents have none.
  header.set(
    uuid.subarray(0, 16).map((byte, index) => (index === 0 ? byte ^ 0xff : byte)),
    FIELD.uuidLastSnapshot,
  );
  return header;
}

/** @throws CapstanError `vdi-damaged`, `vdi-unsupported` */
export function decodeHeader(bytes: Buffer, path: string): VdiHeader {
  const damaged = (what: string) => vdiDamaged(path, what);
  if (bytes.length < HEADER_SIZE) throw damaged("it ends within its header");
  if (bytes.readUInt32LE(FIELD.signature) !== SIGNATURE) throw damaged("its signature is missing");
  const version = bytes.readUInt32LE(FIELD.version);
  if (version !== VERSION_1_1) throw unsupported(path, `version ${version >>> 16}.${version & 0xffff}`);
  const type = bytes.readUInt32LE(FIELD.type);
  const link = bytes.subarray(FIELD.uuidLink, FIELD.uuidLink + 16);
  if ((type !== DYNAMIC && type !== STATIC) || !link.every((byte) => byte === 0)) {
    throw unsupported(path, "the difference to another disk");
  }
  const size = Number(bytes.readBigUInt64LE(FIELD.size));
  const blockSize = bytes.readUInt32LE(FIELD.blockSize);
  const blocks = bytes.readUInt32LE(FIELD.blocks);
  if (bytes.readUInt32LE(FIELD.sectorSize) !== SECTOR)
    throw unsupported(path, "sectors of another size than 512 bytes");
  if (blockSize < SECTOR || blockSize > 256 * MiB || blockSize % SECTOR !== 0)
    throw damaged(`blocks of ${blockSize} bytes`);
  if (!Number.isSafeInteger(size) || size > blocks * blockSize) {
    throw damaged(`${blocks} blocks of ${blockSize} bytes hold no disk of ${size}`);
  }
  return {
    mapOffset: bytes.readUInt32LE(FIELD.mapOffset),
    dataOffset: bytes.readUInt32LE(FIELD.dataOffset),
    size,
    blockSize,
    blockExtra: bytes.readUInt32LE(FIELD.blockExtra),
    blocks,
  };
}

export function vdiDamaged(path: string, what: string): CapstanError {
  return new CapstanError(`${path} is damaged: ${what}`, {
    code: "vdi-damaged",
    hint: "Look at it with qemu-img check, or get the image again.",
  });
}

function unsupported(path: string, what: string): CapstanError {
  return new CapstanError(`${path} is ${what}, which is not supported`, {
    code: "vdi-unsupported",
    hint: `Make a plain disk of it: VBoxManage clonemedium ${path} whole.vdi`,
  });
}
