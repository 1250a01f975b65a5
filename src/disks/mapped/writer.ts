import { isZero, KiB } from "../../support/bytes.ts";
import { ClusterMap } from "../cluster-map.ts";
import type { DiskFile } from "../disk-file.ts";
import { eachNonZeroRun } from "../gather.ts";
import { GatheringDisk } from "../gathering-disk.ts";

/** How a format lays out its blocks: they get slots in the order of their first write. */
export interface MappedFormat {
  /** Of the disk, in bytes. */
  readonly size: number;
  /** In bytes; divides 512 KiB or is a multiple of it. */
  readonly blockSize: number;
  /** Where in the file the bytes of a slot begin. */
  readonly position: (slot: number) => number;
  /** Writes what stands before the bytes of a slot. */
  readonly begin?: ((file: DiskFile, slot: number) => void) | undefined;
  /** Writes headers and tables. `slotOf` gives -1 for a block that was never written. Returns the length of the file. */
  readonly finish: (file: DiskFile, blocks: { readonly slots: number; readonly map: SlotMap }) => number;
}

/** Which slot each block got. */
export interface SlotMap {
  /** Calls `visit` for those of `count` blocks from `first` on that have one; both are multiples of 128. */
  readonly each: (first: number, count: number, visit: (block: number, slot: number) => void) => void;
}

/** Zeros inside of a new block are left out of the file in units of this size. */
const SPARSE_UNIT = 64 * KiB;

/** A disk of such a format that is written in any order. Headers and tables reach the file at flush() or close(). */
export class MappedWriter extends GatheringDisk {
  readonly #format: MappedFormat;
  /** Of each block, one more than its slot. */
  readonly #map = new ClusterMap();
  #slots = 0;

  constructor(file: DiskFile, format: MappedFormat, sync: boolean) {
    super({ file, sync, size: format.size, unit: Math.min(format.blockSize, SPARSE_UNIT) });
    this.#format = format;
  }

  protected override readCommitted(target: Uint8Array, offset: number): void {
    const { blockSize, position } = this.#format;
    for (let done = 0; done < target.length; ) {
      const inner = (offset + done) % blockSize;
      const part = target.subarray(done, done + Math.min(target.length - done, blockSize - inner));
      const slot = this.#map.get(Math.floor((offset + done) / blockSize)) - 1;
      part.fill(0, slot < 0 ? 0 : this.file.readSome(part, position(slot) + inner));
      done += part.length;
    }
  }

  protected override commit(data: Uint8Array, offset: number): void {
    const { blockSize, position } = this.#format;
    let runStart = 0;
    let runPosition: number | undefined;
    const writeRun = (end: number) => {
      if (runPosition !== undefined) this.file.write(data.subarray(runStart, end), runPosition);
    };
    for (let at = 0; at < data.length; ) {
      const inner = (offset + at) % blockSize;
      const end = Math.min(data.length, at + blockSize - inner);
      const piece = data.subarray(at, end);
      const block = Math.floor((offset + at) / blockSize);
      const isNew = this.#map.get(block) === 0;
      let place: number | undefined;
      if (!isNew || !isZero(piece)) {
        place = position(isNew ? this.#allocate(block) : this.#map.get(block) - 1) + inner;
        if (isNew && blockSize > SPARSE_UNIT) {
          eachNonZeroRun(piece, { offset: place, unit: SPARSE_UNIT }, (part, to) => this.file.write(part, to));
          place = undefined;
        }
      }
      if (place === undefined || runPosition === undefined || place !== runPosition + at - runStart) {
        writeRun(at);
        runStart = at;
        runPosition = place;
      }
      at = end;
    }
    writeRun(data.length);
  }

  #allocate(block: number): number {
    const slot = this.#slots++;
    this.#map.set(block, slot + 1);
    this.#format.begin?.(this.file, slot);
    return slot;
  }

  protected override finish(): void {
    const map: SlotMap = {
      each: (first, count, visit) => this.#map.each(first, count, (block, value) => visit(block, value - 1)),
    };
    this.file.truncate(this.#format.finish(this.file, { slots: this.#slots, map }));
  }
}

/** Writes a table of 32-bit numbers, one for each block, in pieces. `value` makes an entry of a slot. */
export function writeSlotTable(
  file: DiskFile,
  table: {
    readonly start: number;
    readonly length: number;
    readonly empty: number;
    readonly order: "little" | "big";
    readonly value: (slot: number) => number;
  },
  map: SlotMap,
): void {
  const { start, length, empty, order, value } = table;
  for (let first = 0; first < length; first += TABLE_PIECE) {
    const piece = Buffer.alloc(Math.min(TABLE_PIECE, length - first) * 4);
    if (empty !== 0) piece.fill(empty & 0xff);
    map.each(first, TABLE_PIECE, (block, slot) => {
      const at = (block - first) * 4;
      if (order === "little") piece.writeUInt32LE(value(slot), at);
      else piece.writeUInt32BE(value(slot), at);
    });
    file.write(piece, start + first * 4);
  }
}

const TABLE_PIECE = 16 * KiB;
