import { inflateRawSync } from "node:zlib";
import { KiB, MiB } from "../../support/bytes.ts";
import { type BlockDevice, type Closable, checkRange } from "../block-device.ts";
import { BoundedCache } from "../bounded-cache.ts";
import type { DiskFile } from "../disk-file.ts";
import { mostDataIn } from "../plausible.ts";
import {
  type BackingName,
  type Cluster,
  damagedError,
  decodeHeader,
  decodeL1Entry,
  decodeL2Entry,
  ENTRY_SIZE,
  HEADER_READ_SIZE,
  type Header,
} from "./layout.ts";

/** Tables are read and kept in slices of this size, so that memory does not grow with the disk: 1 MiB at most. */
const SLICE_SIZE = 8 * KiB;
const SLICES_KEPT = 128;
const INFLATED_KEPT = 2 * MiB;
/** The most L1 entries that one call of zeroRun looks at. */
const ZERO_RUN_STEPS = 16 * KiB;

/** How a reader gets at its backing file: the name and format that the image says, relative to the image. */
export type OpenBacking = (backing: BackingName) => BlockDevice & Closable;

/**
 * A qcow2 image (versions 2 and 3) for reading; it closes `file`, and the backing file that it asked for.
 * Everything in the image is checked when it is used: a damaged one gives a CapstanError, at the latest in read().
 */
export function qcow2Device(file: DiskFile, openBacking: OpenBacking): Qcow2Reader {
  const fileSize = file.size;
  const start = Buffer.alloc(Math.min(HEADER_READ_SIZE, fileSize));
  file.read(start, 0);
  const header = decodeHeader(start, { path: file.path, fileSize });
  const backing = header.backing && openBacking(header.backing);
  return new Qcow2Reader(file, header, backing);
}

interface Run {
  readonly cluster: Cluster;
  readonly length: number;
}

export class Qcow2Reader implements BlockDevice, Closable {
  readonly header: Header;
  readonly size: number;
  readonly mostData: number | undefined;
  readonly #file: DiskFile;
  readonly #fileSize: number;
  readonly #backing: (BlockDevice & Closable) | undefined;
  readonly #clusterSize: number;
  /** Entries of one L2 table. */
  readonly #tableEntries: number;
  readonly #slices = new BoundedCache<Buffer>(SLICES_KEPT);
  readonly #inflated: BoundedCache<Buffer>;

  constructor(file: DiskFile, header: Header, backing: (BlockDevice & Closable) | undefined) {
    this.#file = file;
    this.#fileSize = file.size;
    this.#backing = backing;
    this.header = header;
    this.size = header.size;
    // What lies below is read through it as well.
    const blockSize = 2 ** header.clusterBits;
    this.mostData = backing === undefined ? mostDataIn(file.size, { blockSize, compressed: true }) : undefined;
    this.#clusterSize = 2 ** header.clusterBits;
    this.#tableEntries = this.#clusterSize / ENTRY_SIZE;
    this.#inflated = new BoundedCache(Math.min(64, INFLATED_KEPT / this.#clusterSize));
  }

  read(target: Uint8Array, offset: number): void {
    checkRange(this.size, offset, target.length);
    let done = 0;
    while (done < target.length) {
      const run = this.#runAt(offset + done, target.length - done);
      this.#readRun(target.subarray(done, done + run.length), run.cluster, offset + done);
      done += run.length;
    }
  }

  zeroRun(offset: number, limit: number): number {
    const end = Math.min(this.size, offset + limit);
    if (offset >= end) return 0;
    const below = this.#backing !== undefined && offset < this.#backing.size ? this.#backing : undefined;
    const asksBelow = below !== undefined && this.#clusterAt(offset).kind === "unallocated";
    let at = offset;
    for (let step = 0; step < ZERO_RUN_STEPS && at < end; step++) {
      const { kind } = this.#clusterAt(at);
      const zero = kind === "zero" || (kind === "unallocated" && below === undefined);
      if (asksBelow ? kind !== "unallocated" : !zero) break;
      at = Math.min(end, this.#endOfUnit(at));
    }
    // One question a level: a chain of images costs the sum of its levels, not their product.
    return asksBelow ? zerosBelow(below, offset, at - offset) : at - offset;
  }

  close(): void {
    this.#file.close();
    this.#backing?.close();
  }

  /** The bytes from `offset` on that can be had in one piece, up to `limit`. */
  #runAt(offset: number, limit: number): Run {
    const cluster = this.#clusterAt(offset);
    let length = Math.min(limit, this.#clusterSize - (offset % this.#clusterSize));
    if (cluster.kind === "compressed") return { cluster, length };
    const inner = offset % this.#clusterSize;
    while (length < limit) {
      const next = this.#clusterAt(offset + length);
      if (next.kind !== cluster.kind) break;
      if (cluster.kind === "data" && next.kind === "data" && next.offset !== cluster.offset + inner + length) break;
      length = Math.min(limit, length + this.#clusterSize);
    }
    return { cluster, length };
  }

  #readRun(target: Uint8Array, cluster: Cluster, offset: number): void {
    const inner = offset % this.#clusterSize;
    switch (cluster.kind) {
      case "data":
        this.#readData(target, cluster.offset + inner);
        break;
      case "compressed":
        target.set(this.#inflate(cluster.offset, cluster.length).subarray(inner, inner + target.length));
        break;
      case "unallocated":
        readBelow(this.#backing, target, offset);
        break;
      default:
        target.fill(0);
    }
  }

  /** The last cluster of a file may be cut short where its rest was never written: that rest is zero. */
  #readData(target: Uint8Array, position: number): void {
    const inFile = Math.max(0, Math.min(target.length, this.#fileSize - position));
    this.#file.read(target.subarray(0, inFile), position);
    target.fill(0, inFile);
  }

  #inflate(offset: number, length: number): Buffer {
    return this.#inflated.get(offset, () => {
      const packed = Buffer.alloc(Math.min(length, this.#fileSize - offset));
      this.#file.read(packed, offset);
      try {
        const bytes = inflateRawSync(packed, { maxOutputLength: this.#clusterSize, chunkSize: this.#clusterSize });
        if (bytes.length === this.#clusterSize) return bytes;
      } catch (error) {
        if (!isInflateError(error)) throw error;
      }
      throw this.#damaged(`the compressed cluster at ${offset} cannot be unpacked`);
    });
  }

  #clusterAt(offset: number): Cluster {
    const tableOffset = this.#tableOf(offset);
    if (tableOffset === 0) return { kind: "unallocated" };
    const index = Math.floor(offset / this.#clusterSize) % this.#tableEntries;
    const position = tableOffset + index * ENTRY_SIZE;
    const cluster = decodeL2Entry(this.#slice(position), position % SLICE_SIZE, this.header);
    if (cluster.kind === "invalid") {
      throw this.#damaged(`in the L2 table at ${tableOffset}, entry ${index}: ${cluster.reason}`);
    }
    if ((cluster.kind === "data" || cluster.kind === "compressed") && cluster.offset >= this.#fileSize) {
      throw this.#damaged(`the cluster of disk offset ${offset} lies at ${cluster.offset}, beyond the end of the file`);
    }
    return cluster;
  }

  /** Where the L2 table for `offset` lies in the file; 0 where there is none. */
  #tableOf(offset: number): number {
    const index = Math.floor(offset / (this.#clusterSize * this.#tableEntries));
    const position = this.header.l1Offset + index * ENTRY_SIZE;
    const found = decodeL1Entry(this.#slice(position), position % SLICE_SIZE, this.header.clusterBits);
    if (typeof found === "string") throw this.#damaged(`in the L1 table, entry ${index}: ${found}`);
    if (found !== 0 && found + this.#clusterSize > this.#fileSize) {
      throw this.#damaged(`the L2 table at ${found} lies beyond the end of the file`);
    }
    return found;
  }

  /** The slice of the file around `position`; zeros beyond the end of the file. */
  #slice(position: number): Buffer {
    const start = position - (position % SLICE_SIZE);
    return this.#slices.get(start, () => {
      const slice = Buffer.alloc(SLICE_SIZE);
      this.#file.read(slice.subarray(0, Math.min(SLICE_SIZE, this.#fileSize - start)), start);
      return slice;
    });
  }

  /** The end of the piece of the disk about which one look-up tells: a cluster, or all of a missing L2 table. */
  #endOfUnit(offset: number): number {
    const unit = this.#tableOf(offset) === 0 ? this.#clusterSize * this.#tableEntries : this.#clusterSize;
    return offset - (offset % unit) + unit;
  }

  #damaged(what: string) {
    return damagedError(this.#file.path, what);
  }
}

/** Reads from the device under an overlay, which may be missing or shorter: then there are zeros. */
export function readBelow(backing: BlockDevice | undefined, target: Uint8Array, offset: number): void {
  const available = Math.max(0, Math.min(target.length, (backing?.size ?? 0) - offset));
  if (available > 0) backing?.read(target.subarray(0, available), offset);
  target.fill(0, available);
}

function zerosBelow(backing: BlockDevice, offset: number, limit: number): number {
  const within = Math.min(limit, backing.size - offset);
  const run = backing.zeroRun?.(offset, within) ?? 0;
  return run === within ? limit : run;
}

function isInflateError(error: unknown): boolean {
  return error instanceof Error && "code" in error && /^(Z_|ERR_BUFFER_TOO_LARGE)/.test(String(error.code));
}
