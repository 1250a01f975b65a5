import { KiB } from "../../support/bytes.ts";
import { type BlockDevice, type Closable, checkRange } from "../block-device.ts";
import { BoundedCache } from "../bounded-cache.ts";
import type { DiskFile } from "../disk-file.ts";
import { mostDataIn } from "../plausible.ts";

/** Where a block of the disk is. */
export type MappedBlock =
  /** With how many blocks there are of the kind from this one on, where that is known: 1 without it. */
  | { readonly kind: "zero"; readonly blocks?: number }
  /** At this byte of the file. */
  | { readonly kind: "data"; readonly offset: number }
  /** Unpacked: as many bytes as a block has. */
  | { readonly kind: "bytes"; readonly bytes: Uint8Array };

/** What a format with blocks of one size says of a disk. */
export interface BlockMapping {
  /** Of the disk, in bytes. */
  readonly size: number;
  /** In bytes. */
  readonly blockSize: number;
  /** @throws CapstanError where the format's tables are damaged */
  readonly find: (block: number) => MappedBlock;
  /** Whether blocks may be compressed. */
  readonly compressed?: boolean;
}

/** The most blocks that one call of zeroRun looks at. */
const ZERO_RUN_STEPS = 16 * KiB;

/** A disk whose blocks lie somewhere in a file, for reading: VDI, growing VHD, sparse VMDK. Closes the file. */
export class MappedReader implements BlockDevice, Closable {
  readonly size: number;
  readonly mostData: number;
  readonly #file: DiskFile;
  readonly #mapping: BlockMapping;

  constructor(file: DiskFile, mapping: BlockMapping) {
    const { blockSize, compressed = false } = mapping;
    this.mostData = mostDataIn(file.size, { blockSize, compressed });
    this.#file = file;
    this.#mapping = mapping;
    this.size = mapping.size;
  }

  read(target: Uint8Array, offset: number): void {
    checkRange(this.size, offset, target.length);
    const { blockSize } = this.#mapping;
    for (let done = 0; done < target.length; ) {
      const inner = (offset + done) % blockSize;
      const length = Math.min(target.length - done, blockSize - inner);
      this.#readPart(target.subarray(done, done + length), Math.floor((offset + done) / blockSize), inner);
      done += length;
    }
  }

  zeroRun(offset: number, limit: number): number {
    const { blockSize, find } = this.#mapping;
    const end = Math.min(this.size, offset + limit);
    let at = offset;
    for (let step = 0; step < ZERO_RUN_STEPS && at < end; step++) {
      const block = Math.floor(at / blockSize);
      const found = find(block);
      if (found.kind !== "zero") break;
      at = Math.min(end, (block + (found.blocks ?? 1)) * blockSize);
    }
    return at - offset;
  }

  close(): void {
    this.#file.close();
  }

  #readPart(target: Uint8Array, block: number, inner: number): void {
    const found = this.#mapping.find(block);
    if (found.kind === "zero") target.fill(0);
    else if (found.kind === "bytes") target.set(found.bytes.subarray(inner, inner + target.length));
    // What the file ends before was never written.
    else target.fill(0, this.#file.readSome(target, found.offset + inner));
  }
}

const SLICE = 8 * KiB;
const SLICES_KEPT = 128;

/** A table of 32-bit numbers in a file, read in slices as it is used: memory does not grow with the disk. */
export class NumberTable {
  readonly #file: DiskFile;
  readonly #start: number;
  readonly #length: number;
  readonly #order: "little" | "big";
  readonly #slices = new BoundedCache<Buffer>(SLICES_KEPT);

  /** @param table where it begins in the file, how many numbers it has, and the order of their bytes */
  constructor(
    file: DiskFile,
    table: { readonly start: number; readonly length: number; readonly order: "little" | "big" },
  ) {
    this.#file = file;
    this.#start = table.start;
    this.#length = table.length;
    this.#order = table.order;
  }

  /** @throws CapstanError `disk-truncated` when the file ends within the table */
  get(index: number): number {
    if (!(index >= 0 && index < this.#length)) throw new RangeError(`entry ${index} of a table of ${this.#length}`);
    const at = index * 4;
    const slice = this.#slices.get(Math.floor(at / SLICE), () => {
      const first = Math.floor(at / SLICE) * SLICE;
      const bytes = Buffer.alloc(Math.min(SLICE, this.#length * 4 - first));
      this.#file.read(bytes, this.#start + first);
      return bytes;
    });
    return this.#order === "little" ? slice.readUInt32LE(at % SLICE) : slice.readUInt32BE(at % SLICE);
  }
}
