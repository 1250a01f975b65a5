import type { ReadableDevice } from "../../device.ts";
import { type BlockPointer, type Dva, decodeBlockPointer } from "../block-pointer.ts";
import { corrupt, unsupported } from "../errors.ts";
import { Fletcher4 } from "../fletcher4.ts";
import { asBuffer, putU64 } from "../integers.ts";
import {
  BLOCK_POINTER_SIZE,
  Checksum,
  Compression,
  DATA_START,
  EMBEDDED_CHECKSUM_MAGIC,
  EMBEDDED_CHECKSUM_SIZE,
  MAX_BLOCK_SIZE,
  SECTOR_SIZE,
} from "../layout.ts";
import { sha256Words } from "../uberblock.ts";
import { decompress } from "./decompress.ts";

/**
 * Reads blocks by their pointers: verified, unpacked, from the first copy that is sound. It holds the device, and some
 * memory for checksums; blocks of metadata that were read last are kept.
 *
 * Errors: CapstanError `bad-zfs` when no copy is sound, `zfs-feature`.
 */
export class BlockReader {
  readonly #device: ReadableDevice;
  readonly #machine = new Fletcher4(MAX_BLOCK_SIZE);
  readonly #scratch: Buffer;
  readonly #sum = Buffer.alloc(32);
  readonly #cache = new Map<number, CachedBlock>();

  constructor(device: ReadableDevice) {
    this.#device = device;
    this.#scratch = asBuffer(this.#machine.memory);
  }

  /** The pointer at `at` of a block; undefined for a hole. `what` is for messages, as in all that follow. */
  static pointer(source: Uint8Array, at: number, what: string): BlockPointer | undefined {
    const pointer = decodeBlockPointer(source, at);
    if (pointer === "bad") return corrupt(`a block of ${what} has a place beyond any disk`);
    if (pointer === undefined || !("embedded" in pointer)) return pointer;
    return unsupported("it has blocks within their pointers (feature com.delphix:embedded_data)");
  }

  /** A block of metadata, of `lsize` bytes: not to be written to. */
  metadata(pointer: BlockPointer, what: string): Buffer {
    const key = pointer.dvas[0]?.offset ?? -1;
    const known = this.#cache.get(key);
    if (known !== undefined && isSameBlock(known.pointer, pointer)) {
      // Taken out and put back: a Map keeps the order of insertion, so the first is the one unused for longest.
      this.#cache.delete(key);
      this.#cache.set(key, known);
      return known.bytes;
    }
    const bytes = Buffer.allocUnsafeSlow(pointer.lsize);
    this.read(pointer, bytes, what);
    this.#cache.set(key, { pointer, bytes });
    if (this.#cache.size > CACHED_BLOCKS) this.#cache.delete(this.#cache.keys().next().value ?? key);
    return bytes;
  }

  /** Fills `target`, of at most `lsize` bytes, with the start of the block. */
  read(pointer: BlockPointer, target: Uint8Array, what: string): void {
    checkPointer(pointer, what);
    for (const dva of pointer.dvas) {
      const bytes = this.#unpackCopy(pointer, dva);
      if (bytes === undefined) continue;
      target.set(bytes.subarray(0, target.length));
      return;
    }
    corrupt(`a block of ${what} has a wrong checksum, and there is no sound copy of it`);
  }

  /** Which copies of a block are unsound, by their number. */
  unsoundCopies(pointer: BlockPointer, what: string): readonly number[] {
    checkPointer(pointer, what);
    return pointer.dvas.flatMap((dva, copy) => (this.#unpackCopy(pointer, dva) === undefined ? [copy] : []));
  }

  /** The pieces of a gang block in their order; undefined when its header is unsound. */
  gangPieces(pointer: BlockPointer, dva: Dva): readonly BlockPointer[] | undefined {
    const header = this.#readAt(dva, SECTOR_SIZE);
    if (header === undefined) return undefined;
    const stored = Buffer.from(header);
    if (!isGangHeaderSound(stored, pointer, dva)) return undefined;
    const pieces: BlockPointer[] = [];
    for (let index = 0; index < GANG_POINTERS; index++) {
      const piece = decodeBlockPointer(stored, index * BLOCK_POINTER_SIZE);
      if (piece === undefined) continue;
      if (piece === "bad" || "embedded" in piece) return undefined;
      pieces.push(piece);
    }
    return pieces;
  }

  /** The bytes of a copy, in the scratch memory or of their own; undefined when unsound. */
  #unpackCopy(pointer: BlockPointer, dva: Dva): Uint8Array | undefined {
    const stored = this.#readCopy(pointer, dva, 0);
    if (stored === undefined || pointer.compression === Compression.off) return stored;
    return decompress(pointer.compression, stored, pointer.lsize);
  }

  /** The bytes of a copy as they are stored, in the scratch memory or of their own; undefined when unsound. */
  #readCopy(pointer: BlockPointer, dva: Dva, depth: number): Uint8Array | undefined {
    if (dva.vdev !== 0) unsupported("it has more than one disk");
    const stored = dva.gang ? this.#readGang(pointer, dva, depth) : this.#readAt(dva, pointer.psize);
    if (stored === undefined) return undefined;
    this.#checksum(pointer);
    if (pointer.checksum === Checksum.off) return stored;
    return this.#sum.equals(pointer.sum) ? stored : undefined;
  }

  /** Into the scratch memory. Undefined when it lies outside the data area. */
  #readAt(dva: Dva, length: number): Uint8Array | undefined {
    const place = dva.offset + DATA_START;
    if (place + length > this.#device.size) return undefined;
    const stored = this.#scratch.subarray(0, length);
    this.#device.read(stored, place);
    return stored;
  }

  #readGang(pointer: BlockPointer, dva: Dva, depth: number): Uint8Array | undefined {
    if (depth >= MAX_GANG_DEPTH) return undefined;
    const pieces = this.gangPieces(pointer, dva);
    if (pieces === undefined) return undefined;
    const whole = Buffer.alloc(pointer.psize);
    let length = 0;
    for (const piece of pieces) {
      // Each level has smaller pieces, so a header that names itself ends the search.
      if (piece.psize >= pointer.psize || length + piece.psize > whole.length) return undefined;
      const copy = firstOf(piece.dvas, (place) => this.#readCopy(piece, place, depth + 1));
      if (copy === undefined) return undefined;
      whole.set(copy, length);
      length += piece.psize;
    }
    if (length !== whole.length) return undefined;
    const stored = this.#scratch.subarray(0, length);
    stored.set(whole);
    return stored;
  }

  /** Of what the scratch memory holds, into `#sum`. */
  #checksum(pointer: BlockPointer): void {
    switch (pointer.checksum) {
      case Checksum.fletcher4:
        this.#machine.sum(0, pointer.psize, this.#sum, 0);
        break;
      case Checksum.fletcher2:
        this.#machine.sumFletcher2(0, pointer.psize, this.#sum, 0);
        break;
      case Checksum.sha256:
        this.#sum.set(sha256Words(this.#scratch.subarray(0, pointer.psize)));
        break;
      case Checksum.off:
        break;
      default:
        unsupported(`its checksum ${pointer.checksum} is unknown`);
    }
  }
}

interface CachedBlock {
  readonly pointer: BlockPointer;
  readonly bytes: Buffer;
}

/** 6 MiB with the usual blocks of 16 KiB. */
const CACHED_BLOCKS = 384;
/** SPA_GBH_NBLKPTRS: the rest of the header is its checksum. */
const GANG_POINTERS = 3;
/** Each level needs three blocks for one, so a real pool has two at most. */
const MAX_GANG_DEPTH = 8;

function isSameBlock(a: BlockPointer, b: BlockPointer): boolean {
  return a === b || (a.birth === b.birth && a.lsize === b.lsize && asBuffer(a.sum).equals(b.sum));
}

function checkPointer(pointer: BlockPointer, what: string): void {
  if (!pointer.littleEndian) unsupported("a big-endian machine wrote it");
  if (pointer.lsize > MAX_BLOCK_SIZE || pointer.psize > MAX_BLOCK_SIZE) {
    unsupported("it has blocks larger than 128 KiB (feature org.open-zfs:large_blocks)");
  }
  if (pointer.compression === Compression.off ? pointer.psize !== pointer.lsize : pointer.psize > pointer.lsize) {
    corrupt(`a block of ${what} has ${pointer.psize} bytes on disk for ${pointer.lsize}`);
  }
}

/** zio_checksum.c: zio_checksum_gang_verifier; the rest as with labels. */
function isGangHeaderSound(header: Buffer, pointer: BlockPointer, dva: Dva): boolean {
  const end = Buffer.alloc(EMBEDDED_CHECKSUM_SIZE);
  end.writeBigUInt64LE(EMBEDDED_CHECKSUM_MAGIC, 0);
  putU64(end, dva.vdev, 8);
  putU64(end, dva.offset, 16);
  putU64(end, pointer.physicalBirth || pointer.birth, 24);
  const sum = sha256Words(header.subarray(0, SECTOR_SIZE - EMBEDDED_CHECKSUM_SIZE), end);
  return (
    header.readBigUInt64LE(SECTOR_SIZE - EMBEDDED_CHECKSUM_SIZE) === EMBEDDED_CHECKSUM_MAGIC &&
    header.subarray(SECTOR_SIZE - 32).equals(sum)
  );
}

function firstOf<T, R>(items: readonly T[], find: (item: T) => R | undefined): R | undefined {
  for (const item of items) {
    const found = find(item);
    if (found !== undefined) return found;
  }
  return undefined;
}
