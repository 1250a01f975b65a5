import { roundUp } from "../../support/bytes.ts";
import { CapstanError } from "../../support/errors.ts";
import type { BlockDevice } from "../block-device.ts";
import { type DeflatedUnit, deflatedUnits } from "../deflated-units.ts";
import { DiskFile } from "../disk-file.ts";
import {
  ENTRY_SIZE,
  encodeCompressedEntry,
  encodeCopiedEntry,
  encodeHeader,
  l1EntriesFor,
  MAX_L1_BYTES,
  writeU64,
} from "./layout.ts";

export interface CompressedOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number) => void) | undefined;
  /** Whether to wait for the disk at the end (fsync); true unless said otherwise. */
  readonly sync?: boolean | undefined;
}

const CLUSTER_BITS = 16;
const CLUSTER = 2 ** CLUSTER_BITS;
const TABLE_ENTRIES = CLUSTER / ENTRY_SIZE;
const REFCOUNT_SIZE = 2;
const REFCOUNTS_PER_BLOCK = CLUSTER / REFCOUNT_SIZE;
/** As QEMU compresses clusters: raw deflate over a window of 4 KiB (docs/interop/qcow2.txt, "Compressed clusters"). */
const ZLIB = { windowBits: 12 };

/**
 * Writes a disk as a qcow2 image with compressed clusters at a path where nothing is yet, from its start to its end.
 * Returns the size of the file. A failure takes the file away again.
 */
export async function writeCompressedQcow2(
  device: BlockDevice,
  path: string,
  options: CompressedOptions = {},
): Promise<number> {
  const size = roundUp(device.size, 512);
  if (l1EntriesFor(size, CLUSTER_BITS) * ENTRY_SIZE > MAX_L1_BYTES) {
    throw new CapstanError(`A qcow2 disk cannot have ${size} bytes`, { code: "disk-size", hint: "Make it smaller." });
  }
  const file = DiskFile.create(path);
  try {
    const writer = new CompressedWriter(file, size);
    const { signal, onProgress } = options;
    const units = { unitSize: CLUSTER, wrapping: "raw", zlib: ZLIB, signal, onProgress } as const;
    for await (const unit of deflatedUnits(device, units)) writer.cluster(unit);
    const fileSize = writer.finish();
    if (options.sync ?? true) file.sync();
    file.close();
    return fileSize;
  } catch (error) {
    file.discard();
    throw error;
  }
}

class CompressedWriter {
  readonly #file: DiskFile;
  readonly #size: number;
  /** By number of the L1 entry. */
  readonly #tables = new Map<number, Buffer>();
  /** How many clusters of the disk, or tables, lie in each cluster of the file. The first one is the header's. */
  readonly #refcounts: number[] = [1];
  /** The end of the file, in bytes: compressed clusters follow each other without gaps. */
  #end = CLUSTER;

  constructor(file: DiskFile, size: number) {
    this.#file = file;
    this.#size = size;
  }

  cluster({ index, plain, packed }: DeflatedUnit): void {
    const table = this.#tableOf(index);
    const at = (index % TABLE_ENTRIES) * ENTRY_SIZE;
    if (packed.length < CLUSTER) {
      encodeCompressedEntry(table, at, { offset: this.#end, length: packed.length, clusterBits: CLUSTER_BITS });
      this.#put(packed);
    } else {
      this.#align();
      encodeCopiedEntry(table, at, this.#end);
      this.#put(plain);
    }
  }

  /** Returns the size of the file. */
  finish(): number {
    this.#align();
    const l1Entries = Math.max(1, l1EntriesFor(this.#size, CLUSTER_BITS));
    const l1 = Buffer.alloc(roundUp(l1Entries * ENTRY_SIZE, CLUSTER));
    for (const [index, table] of this.#tables) {
      encodeCopiedEntry(l1, index * ENTRY_SIZE, this.#end);
      this.#put(table);
    }
    const l1Offset = this.#end;
    this.#put(l1);
    const refcountTableOffset = this.#end;
    const refcountTableClusters = this.#putRefcounts();
    const header = encodeHeader({
      clusterBits: CLUSTER_BITS,
      size: this.#size,
      l1Entries,
      l1Offset,
      refcountTableOffset,
      refcountTableClusters,
      backing: undefined,
    });
    this.#file.write(header, 0);
    return this.#end;
  }

  /** The table of refcount blocks and the blocks, which count themselves too. Returns the clusters of the table. */
  #putRefcounts(): number {
    const used = this.#end / CLUSTER;
    let blocks = 0;
    let tableClusters = 0;
    for (let total = used; ; ) {
      blocks = Math.ceil(total / REFCOUNTS_PER_BLOCK);
      tableClusters = Math.ceil((blocks * ENTRY_SIZE) / CLUSTER);
      const wanted = used + blocks + tableClusters;
      if (wanted === total) break;
      total = wanted;
    }
    const table = Buffer.alloc(tableClusters * CLUSTER);
    for (let block = 0; block < blocks; block++) {
      writeU64(table, this.#end + table.length + block * CLUSTER, block * ENTRY_SIZE);
    }
    this.#count(this.#end, table.length + blocks * CLUSTER);
    const counts = Buffer.alloc(blocks * CLUSTER);
    for (const [index, count] of this.#refcounts.entries()) counts.writeUInt16BE(count, index * REFCOUNT_SIZE);
    this.#write(table);
    this.#write(counts);
    return tableClusters;
  }

  #tableOf(cluster: number): Buffer {
    const index = Math.floor(cluster / TABLE_ENTRIES);
    let table = this.#tables.get(index);
    if (table === undefined) {
      table = Buffer.alloc(CLUSTER);
      this.#tables.set(index, table);
    }
    return table;
  }

  #put(bytes: Buffer): void {
    this.#count(this.#end, bytes.length);
    this.#write(bytes);
  }

  #write(bytes: Buffer): void {
    this.#file.write(bytes, this.#end);
    this.#end += bytes.length;
  }

  #count(start: number, length: number): void {
    const last = Math.floor((start + length - 1) / CLUSTER);
    for (let cluster = Math.floor(start / CLUSTER); cluster <= last; cluster++) {
      this.#refcounts[cluster] = (this.#refcounts[cluster] ?? 0) + 1;
    }
  }

  #align(): void {
    this.#end = roundUp(this.#end, CLUSTER);
  }
}
