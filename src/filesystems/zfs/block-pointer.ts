import { asBuffer, getU64, putU64 } from "./integers.ts";
import { BLOCK_POINTER_SIZE, ObjectType, SECTOR_SIZE } from "./layout.ts";

/** A copy of a block: data virtual address. */
export interface Dva {
  readonly vdev: number;
  /** Bytes allocated. */
  readonly asize: number;
  /** In bytes, from the start of the data area: 4 MiB into the partition. */
  readonly offset: number;
  /** What lies there is a header that names the pieces of the block. */
  readonly gang: boolean;
}

/** A block that is there: sizes in bytes. Where it may be a hole, that is `undefined`. */
export interface BlockPointer {
  /** One to three; the first is tried first. */
  readonly dvas: readonly Dva[];
  readonly lsize: number;
  readonly psize: number;
  /** Numbers of `Compression`, `Checksum` and `ObjectType`. */
  readonly compression: number;
  readonly checksum: number;
  readonly type: number;
  /** 0 for data, else the level of the indirect block. */
  readonly level: number;
  /** The transaction group in which it became part of this tree. */
  readonly birth: number;
  /** In which it was written; 0 means the same. */
  readonly physicalBirth: number;
  readonly fill: number;
  /** Four u64 as they lie on disk: 32 bytes. */
  readonly sum: Uint8Array;
  readonly littleEndian: boolean;
  readonly dedup: boolean;
}

/** What a writer of single copies has to say. */
export type NewBlockPointer = Pick<
  BlockPointer,
  "lsize" | "psize" | "compression" | "checksum" | "type" | "level" | "birth" | "fill" | "sum"
> & { readonly offset: number; readonly asize?: number };

/** Contents in the pointer itself, which no kernel of OSv writes (spa.h: BP_IS_EMBEDDED). */
export interface EmbeddedPointer {
  readonly embedded: true;
}

/** Writes the 128 bytes of a pointer to one copy on vdev 0. `asize` is `psize` where it is not said. */
export function encodeBlockPointer(target: Buffer, pointer: NewBlockPointer, at: number): void {
  target.fill(0, at, at + BLOCK_POINTER_SIZE);
  target.writeUInt32LE((pointer.asize ?? pointer.psize) / SECTOR_SIZE, at);
  putU64(target, pointer.offset / SECTOR_SIZE, at + 8);
  target.writeUInt16LE(pointer.lsize / SECTOR_SIZE - 1, at + PROPERTIES);
  target.writeUInt16LE(pointer.psize / SECTOR_SIZE - 1, at + PROPERTIES + 2);
  target[at + PROPERTIES + 4] = pointer.compression;
  target[at + PROPERTIES + 5] = pointer.checksum;
  target[at + PROPERTIES + 6] = pointer.type;
  target[at + PROPERTIES + 7] = pointer.level | LITTLE_ENDIAN;
  putU64(target, pointer.birth, at + BIRTH);
  putU64(target, pointer.fill, at + FILL);
  target.set(pointer.sum, at + SUM);
}

/** Undefined for a hole; "bad" for numbers beyond any disk. */
export function decodeBlockPointer(source: Uint8Array, at: number): BlockPointer | EmbeddedPointer | "bad" | undefined {
  const bytes = asBuffer(source);
  const compression = bytes.readUInt8(at + PROPERTIES + 4);
  if ((compression & EMBEDDED) !== 0) return { embedded: true };
  const birth = getU64(bytes, at + BIRTH);
  const physicalBirth = getU64(bytes, at + PHYSICAL_BIRTH);
  const fill = getU64(bytes, at + FILL);
  const first = decodeDva(bytes, at);
  // OSv's kernels know a hole by its birth; with feature hole_birth a hole has a birth, but no address.
  if (birth === 0 || first === undefined) return undefined;
  const dvas = [first, decodeDva(bytes, at + DVA_SIZE), decodeDva(bytes, at + 2 * DVA_SIZE)];
  if (birth === undefined || physicalBirth === undefined || fill === undefined || dvas.includes("bad")) return "bad";
  const flags = bytes.readUInt8(at + PROPERTIES + 7);
  return {
    dvas: dvas.filter((dva): dva is Dva => dva !== undefined && dva !== "bad"),
    lsize: (bytes.readUInt16LE(at + PROPERTIES) + 1) * SECTOR_SIZE,
    psize: (bytes.readUInt16LE(at + PROPERTIES + 2) + 1) * SECTOR_SIZE,
    compression,
    checksum: bytes.readUInt8(at + PROPERTIES + 5),
    type: bytes.readUInt8(at + PROPERTIES + 6),
    level: flags & LEVEL,
    birth,
    physicalBirth,
    fill,
    sum: new Uint8Array(bytes.subarray(at + SUM, at + SUM + 32)),
    littleEndian: (flags & LITTLE_ENDIAN) !== 0,
    dedup: (flags & DEDUP) !== 0,
  };
}

/**
 * What a block counts as in the `uncompressed` sums of data sets: only data with its size before compression
 * (spa.h: BP_GET_UCSIZE; dmu.c: dmu_ot says which types are metadata).
 */
export function uncompressedSize({ level, type, lsize, psize }: Pick<BlockPointer, SizeFields>): number {
  const isMetadata = (type & NEW_TYPE) !== 0 ? (type & NEW_TYPE_METADATA) !== 0 : !DATA_TYPES.has(type);
  return level > 0 || isMetadata ? psize : lsize;
}

type SizeFields = "level" | "type" | "lsize" | "psize";

/** DMU_OT_NEWTYPE and DMU_OT_METADATA. */
const NEW_TYPE = 0x80;
const NEW_TYPE_METADATA = 0x40;
/** Contents of files, of volumes, and of two kinds that are not used. */
const DATA_TYPES: ReadonlySet<number> = new Set([ObjectType.plainFile, 23, 25, 26]);

/** Undefined when it is empty. */
function decodeDva(bytes: Buffer, at: number): Dva | "bad" | undefined {
  const [low, vdev, offsetLow, offsetHigh] = [0, 4, 8, 12].map((part) => bytes.readUInt32LE(at + part)) as [
    number,
    number,
    number,
    number,
  ];
  if (low === 0 && vdev === 0 && offsetLow === 0 && offsetHigh === 0) return undefined;
  const offset = ((offsetHigh & 0x7fff_ffff) * 0x1_0000_0000 + offsetLow) * SECTOR_SIZE;
  if (!Number.isSafeInteger(offset)) return "bad";
  return { vdev, asize: (low & 0xff_ffff) * SECTOR_SIZE, offset, gang: offsetHigh >>> 31 === 1 };
}

/** Offsets within blkptr_t, and bits of its property word (spa.h). */
const DVA_SIZE = 16;
const PROPERTIES = 48;
const PHYSICAL_BIRTH = 72;
const BIRTH = 80;
const FILL = 88;
const SUM = 96;
/** Of the byte with the compression. */
const EMBEDDED = 0x80;
/** Of the last byte. */
const LEVEL = 0x1f;
const DEDUP = 0x40;
const LITTLE_ENDIAN = 0x80;
