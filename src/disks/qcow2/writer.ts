import { isZero, KiB } from "../../support/bytes.ts";
import { CapstanError } from "../../support/errors.ts";
import type { BlockDevice, Closable, WritableBlockDevice } from "../block-device.ts";
import { ClusterMap } from "../cluster-map.ts";
import { DiskFile } from "../disk-file.ts";
import { eachNonZeroRun } from "../gather.ts";
import { GatheringDisk } from "../gathering-disk.ts";
import type { DiskFormat } from "../probe.ts";
import {
  type BackingName,
  ENTRY_SIZE,
  encodeCopiedEntry,
  encodeHeader,
  encodeZeroEntry,
  l1EntriesFor,
  MAX_BACKING_NAME,
  MAX_L1_BYTES,
  writeU64,
} from "./layout.ts";
import { readBelow } from "./reader.ts";

const CLUSTER_BITS = 16;
const CLUSTER = 64 * KiB;
const SECTOR = 512;
const TABLE_ENTRIES = CLUSTER / ENTRY_SIZE;
const REFCOUNT_SIZE = 2;
const REFCOUNTS_PER_BLOCK = CLUSTER / REFCOUNT_SIZE;
/** One cluster of refcount table reaches so far: 16 TiB, which is also the largest file of ext4. */
const MAX_FILE_CLUSTERS = TABLE_ENTRIES * REFCOUNTS_PER_BLOCK;
/** Metadata is written in pieces of this size, those of zeros are left out. */
const METADATA_UNIT = 4 * KiB;

/** In the cluster map: known to be zero although the backing file may have something there. */
const ZERO_CLUSTER = 0xffffffff;

export interface Qcow2Options {
  /** In bytes; rounded up to whole sectors of 512, as qemu-img does. */
  readonly size: number;
  readonly backing?: Qcow2Backing | undefined;
  /** Whether flush waits for the disk (fsync); true unless said otherwise. */
  readonly sync?: boolean;
}

/** What an overlay lies upon. It must not change while the overlay is in use, and is not closed with it. */
export interface Qcow2Backing {
  /** As it is to stand in the image: absolute, or relative to the folder of the overlay. */
  readonly path: string;
  readonly format: DiskFormat;
  readonly device: BlockDevice;
}

/**
 * Creates a qcow2 image (version 3, clusters of 64 KiB) at a path where nothing is yet.
 * Clusters lie in the file in the order of their first write, tables behind them: the same writes give the same bytes.
 * Tables reach the file at flush() or close(); before that it is no valid image.
 */
export function createQcow2(path: string, options: Qcow2Options): WritableBlockDevice & Closable {
  const size = checkedSize(options.size);
  const name = options.backing && checkedName(options.backing);
  return new Qcow2Writer(DiskFile.create(path), { ...options, size, name });
}

class Qcow2Writer extends GatheringDisk {
  readonly #backing: BlockDevice | undefined;
  readonly #backingName: BackingName | undefined;
  readonly #map = new ClusterMap();
  readonly #tables: Tables;
  /** The end of the file, in clusters. The first one is the header's. */
  #nextCluster = 1;

  constructor(file: DiskFile, options: Qcow2Options & { readonly name: BackingName | undefined }) {
    super({ file, size: options.size, unit: CLUSTER, sync: options.sync ?? true });
    this.#backing = options.backing?.device;
    this.#backingName = options.name;
    // An empty disk gets an entry too: a table of none would be a cluster that nothing refers to.
    this.#tables = {
      l1Entries: Math.max(1, l1EntriesFor(this.size, CLUSTER_BITS)),
      l1: 0,
      l2: new Map(),
      refcounts: 0,
      refcountBlocks: [],
    };
  }

  protected override readCommitted(target: Uint8Array, offset: number): void {
    let done = 0;
    while (done < target.length) {
      const at = offset + done;
      const length = this.#runLength(at, target.length - done);
      this.#readRun(target.subarray(done, done + length), at);
      done += length;
    }
  }

  protected override commit(data: Uint8Array, offset: number): void {
    let runStart = 0;
    let runPosition: number | undefined;
    for (let at = 0; at < data.length; ) {
      const inner = (offset + at) % CLUSTER;
      const end = Math.min(data.length, at + CLUSTER - inner);
      const position = this.#place(data.subarray(at, end), offset + at);
      if (position === undefined || runPosition === undefined || position !== runPosition + at - runStart) {
        if (runPosition !== undefined) this.file.write(data.subarray(runStart, at), runPosition);
        runStart = at;
        runPosition = position;
      }
      at = end;
    }
    if (runPosition !== undefined) this.file.write(data.subarray(runStart), runPosition);
  }

  /** Where in the file a piece of one cluster is to be written; undefined when it needs no writing any more. */
  #place(piece: Uint8Array, offset: number): number | undefined {
    const cluster = Math.floor(offset / CLUSTER);
    const inner = offset % CLUSTER;
    const host = this.#map.get(cluster);
    if (host !== 0 && host !== ZERO_CLUSTER) return host * CLUSTER + inner;

    const overlaid = host === 0 && this.#backing !== undefined && cluster * CLUSTER < this.#backing.size;
    const whole = inner === 0 && (piece.length === CLUSTER || offset + piece.length === this.size);
    if (overlaid && !whole) {
      this.#writeOver(piece, offset);
      return undefined;
    }
    if (!isZero(piece)) return this.#allocateFor(cluster) * CLUSTER + inner;
    if (overlaid) this.#map.set(cluster, ZERO_CLUSTER);
    return undefined;
  }

  /** Writes a whole cluster of which only `piece` is new; the rest comes from the backing device. */
  #writeOver(piece: Uint8Array, offset: number): void {
    const inner = offset % CLUSTER;
    const start = offset - inner;
    const bytes = Buffer.alloc(Math.min(CLUSTER, this.size - start));
    readBelow(this.#backing, bytes, start);
    bytes.set(piece, inner);
    if (isZero(bytes)) this.#map.set(start / CLUSTER, ZERO_CLUSTER);
    else this.file.write(bytes, this.#allocateFor(start / CLUSTER) * CLUSTER);
  }

  #allocateFor(cluster: number): number {
    const host = this.#allocate(1);
    this.#map.set(cluster, host);
    return host;
  }

  /** Clusters at the end of the file: never used before, so what is not written in them reads as zeros. */
  #allocate(count: number): number {
    const first = this.#nextCluster;
    if (first + count > MAX_FILE_CLUSTERS) {
      throw new CapstanError(`${this.file.path} would become larger than 16 TiB`, {
        code: "disk-too-large",
        hint: "Put less into the image.",
      });
    }
    this.#nextCluster += count;
    return first;
  }

  /** How far one read reaches: over clusters that follow each other in the file too. */
  #runLength(offset: number, limit: number): number {
    const first = Math.floor(offset / CLUSTER);
    const host = this.#map.get(first);
    let length = Math.min(limit, CLUSTER - (offset % CLUSTER));
    for (let count = 1; length < limit; count++) {
      const next = this.#map.get(first + count);
      if (next !== (host === 0 || host === ZERO_CLUSTER ? host : host + count)) break;
      length = Math.min(limit, length + CLUSTER);
    }
    return length;
  }

  #readRun(target: Uint8Array, offset: number): void {
    const host = this.#map.get(Math.floor(offset / CLUSTER));
    if (host === 0) readBelow(this.#backing, target, offset);
    else if (host === ZERO_CLUSTER) target.fill(0);
    else target.fill(0, this.file.readSome(target, host * CLUSTER + (offset % CLUSTER)));
  }

  protected override finish(): void {
    this.#placeTables();
    this.#writeL2Tables();
    this.#writeL1Table();
    this.#writeRefcounts();
    this.file.truncate(this.#nextCluster * CLUSTER);
    this.#writeHeader();
  }

  /** Tables stay where they were first placed; what has grown since gets its clusters at the end. */
  #placeTables(): void {
    const tables = this.#tables;
    if (tables.l1 === 0) tables.l1 = this.#allocate(Math.ceil((tables.l1Entries * ENTRY_SIZE) / CLUSTER));
    for (const index of this.#map.groups(TABLE_ENTRIES)) {
      if (!tables.l2.has(index)) tables.l2.set(index, this.#allocate(1));
    }
    if (tables.refcounts === 0) tables.refcounts = this.#allocate(1);
    while (tables.refcountBlocks.length * REFCOUNTS_PER_BLOCK < this.#nextCluster) {
      tables.refcountBlocks.push(this.#allocate(1));
    }
  }

  #writeL2Tables(): void {
    const table = Buffer.alloc(CLUSTER);
    for (const [index, host] of this.#tables.l2) {
      table.fill(0);
      const first = index * TABLE_ENTRIES;
      this.#map.each(first, TABLE_ENTRIES, (cluster, value) => {
        const at = (cluster - first) * ENTRY_SIZE;
        if (value === ZERO_CLUSTER) encodeZeroEntry(table, at);
        else encodeCopiedEntry(table, at, value * CLUSTER);
      });
      this.#writeMetadata(table, host);
    }
  }

  #writeL1Table(): void {
    const piece = Buffer.alloc(CLUSTER);
    for (let start = 0; start < this.#tables.l1Entries; start += TABLE_ENTRIES) {
      piece.fill(0);
      for (let index = 0; index < TABLE_ENTRIES; index++) {
        const host = this.#tables.l2.get(start + index);
        if (host !== undefined) encodeCopiedEntry(piece, index * ENTRY_SIZE, host * CLUSTER);
      }
      this.#writeMetadata(piece, this.#tables.l1 + start / TABLE_ENTRIES);
    }
  }

  /** Every cluster of the file is in use exactly once. */
  #writeRefcounts(): void {
    const table = Buffer.alloc(CLUSTER);
    const block = Buffer.alloc(CLUSTER);
    this.#tables.refcountBlocks.forEach((host, index) => {
      writeU64(table, host * CLUSTER, index * ENTRY_SIZE);
      const count = Math.min(REFCOUNTS_PER_BLOCK, this.#nextCluster - index * REFCOUNTS_PER_BLOCK);
      block.fill(0);
      for (let at = 0; at < count; at++) block.writeUInt16BE(1, at * REFCOUNT_SIZE);
      this.#writeMetadata(block, host);
    });
    this.#writeMetadata(table, this.#tables.refcounts);
  }

  #writeHeader(): void {
    const { l1Entries, l1, refcounts } = this.#tables;
    const header = encodeHeader({
      clusterBits: CLUSTER_BITS,
      size: this.size,
      l1Entries,
      l1Offset: l1 * CLUSTER,
      refcountTableOffset: refcounts * CLUSTER,
      refcountTableClusters: 1,
      backing: this.#backingName,
    });
    this.file.write(header, 0);
  }

  #writeMetadata(cluster: Buffer, host: number): void {
    eachNonZeroRun(cluster, { offset: host * CLUSTER, unit: METADATA_UNIT }, (part, at) => this.file.write(part, at));
  }
}

/** Where the tables lie, in clusters of the file; 0 where that is not decided yet. */
interface Tables {
  readonly l1Entries: number;
  l1: number;
  /** By number of the L1 entry. */
  readonly l2: Map<number, number>;
  refcounts: number;
  readonly refcountBlocks: number[];
}

function checkedSize(size: number): number {
  const rounded = Math.ceil(size / SECTOR) * SECTOR;
  if (Number.isSafeInteger(size) && size >= 0 && l1EntriesFor(rounded, CLUSTER_BITS) * ENTRY_SIZE <= MAX_L1_BYTES) {
    return rounded;
  }
  throw new CapstanError(`A qcow2 disk cannot have ${size} bytes`, {
    code: "disk-size",
    hint: "Choose a size up to 2048 TiB.",
  });
}

function checkedName({ path, format }: Qcow2Backing): BackingName {
  const length = Buffer.byteLength(path);
  if (length === 0 || length > MAX_BACKING_NAME || path.includes("\0")) {
    throw new CapstanError(
      `The path of a backing file has ${length} bytes, and 1 to ${MAX_BACKING_NAME} are possible`,
      {
        code: "backing-name",
        hint: "Use a shorter path.",
      },
    );
  }
  // Before the first slash a colon ends the name of a protocol, for QEMU.
  return { path: /^[^/]*:/.test(path) ? `./${path}` : path, format };
}
