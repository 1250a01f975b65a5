import { basename } from "node:path";
import { roundUp } from "../../support/bytes.ts";
import type { BlockDevice } from "../block-device.ts";
import { deflatedUnits } from "../deflated-units.ts";
import { DiskFile } from "../disk-file.ts";
import {
  DESCRIPTION_SECTOR,
  DESCRIPTION_SECTORS,
  DIRECTORY_AT_END,
  encodeDescription,
  encodeHeader,
  encodeMarker,
  GRAIN_MARKER_SIZE,
  GRAIN_SECTORS,
  GRAIN_SIZE,
  MARKER,
  SECTOR,
  TABLE_ENTRIES,
  TABLE_SIZE,
  TABLE_SPAN,
} from "./layout.ts";
import { checkedVmdkSize, randomContentId, type VmdkOptions } from "./writer.ts";

export interface StreamOptions extends Omit<VmdkOptions, "size"> {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number) => void) | undefined;
}

/**
 * Writes a disk as a stream-optimised VMDK, which OVAs hold, from its start to its end, at a path where nothing is yet.
 * Returns the size of the file. A failure takes the file away again.
 */
export async function writeStreamVmdk(device: BlockDevice, path: string, options: StreamOptions = {}): Promise<number> {
  checkedVmdkSize(device.size);
  const file = DiskFile.create(path);
  try {
    const size = await writeVmdkTo(file, device, { ...options, fileName: options.fileName ?? basename(path) });
    if (options.sync ?? true) file.sync();
    file.close();
    return size;
  } catch (error) {
    file.discard();
    throw error;
  }
}

/** Takes the bytes of a file in the order of their positions; what is left out between them is zeros. */
export interface StreamTarget {
  write(bytes: Uint8Array, position: number): void;
}

/** The same into anything that takes bytes in their order. `fileName` stands in the description. Returns the size, in bytes. */
export async function writeVmdkTo(
  target: StreamTarget,
  device: BlockDevice,
  options: StreamOptions & { readonly fileName: string },
): Promise<number> {
  const writer = new StreamWriter(target, checkedVmdkSize(device.size) / SECTOR);
  writer.start(options);
  const { signal, onProgress } = options;
  const units = { unitSize: GRAIN_SIZE, wrapping: "zlib", zlib: {}, signal, onProgress } as const;
  for await (const { index, packed } of deflatedUnits(device, units)) writer.grain(index, packed);
  return writer.finish();
}

/** A grain directory entry of each table that there is; the others stay 0. */
class StreamWriter {
  readonly #file: StreamTarget;
  readonly #capacity: number;
  readonly #directory: Buffer;
  #table = Buffer.alloc(TABLE_SIZE);
  /** The number of the table that is being filled. */
  #current = -1;
  /** In sectors. */
  #at = DESCRIPTION_SECTOR + DESCRIPTION_SECTORS;

  constructor(file: StreamTarget, capacity: number) {
    this.#file = file;
    this.#capacity = capacity;
    const tables = Math.ceil((capacity * SECTOR) / TABLE_SPAN);
    this.#directory = Buffer.alloc(Math.max(SECTOR, roundUp(tables * 4, SECTOR)));
  }

  start({
    fileName,
    contentId,
    adapter,
  }: Pick<VmdkOptions, "contentId" | "adapter"> & { readonly fileName: string }): void {
    const description = encodeDescription({
      type: "streamOptimized",
      capacity: this.#capacity,
      fileName,
      contentId: contentId ?? randomContentId(),
      adapter: adapter ?? "lsilogic",
    });
    this.#at = roundUp(this.#at, GRAIN_SECTORS);
    this.#file.write(this.#header(DIRECTORY_AT_END), 0);
    this.#file.write(description, DESCRIPTION_SECTOR * SECTOR);
  }

  grain(index: number, packed: Buffer): void {
    const table = Math.floor(index / TABLE_ENTRIES);
    if (table !== this.#current) this.#endTable();
    this.#current = table;
    this.#table.writeUInt32LE(this.#at, (index % TABLE_ENTRIES) * 4);
    const bytes = Buffer.alloc(roundUp(GRAIN_MARKER_SIZE + packed.length, SECTOR));
    bytes.writeBigUInt64LE(BigInt(index * GRAIN_SECTORS), 0);
    bytes.writeUInt32LE(packed.length, 8);
    packed.copy(bytes, GRAIN_MARKER_SIZE);
    this.#put(bytes);
  }

  /** Returns the size of the file. */
  finish(): number {
    this.#endTable();
    this.#put(encodeMarker(this.#directory.length / SECTOR, MARKER.grainDirectory));
    const directory = this.#at;
    this.#put(this.#directory);
    this.#put(encodeMarker(1, MARKER.footer));
    this.#put(this.#header(BigInt(directory)));
    this.#put(encodeMarker(0, MARKER.endOfStream));
    return this.#at * SECTOR;
  }

  #endTable(): void {
    if (this.#current < 0) return;
    this.#put(encodeMarker(TABLE_SIZE / SECTOR, MARKER.grainTable));
    this.#directory.writeUInt32LE(this.#at, this.#current * 4);
    this.#put(this.#table);
    this.#table = Buffer.alloc(TABLE_SIZE);
  }

  #header(directory: bigint): Buffer {
    const overhead = roundUp(DESCRIPTION_SECTOR + DESCRIPTION_SECTORS, GRAIN_SECTORS);
    return encodeHeader({ capacity: this.#capacity, secondDirectory: 0, directory, overhead, streamOptimized: true });
  }

  #put(bytes: Buffer): void {
    this.#file.write(bytes, this.#at * SECTOR);
    this.#at += bytes.length / SECTOR;
  }
}
