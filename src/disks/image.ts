import { setImmediate } from "node:timers/promises";
import { KiB, MiB, roundUp } from "../support/bytes.ts";
import { CapstanError, checkAborted } from "../support/errors.ts";
import { type BlockDevice, type Closable, ReadWindow, type WritableBlockDevice } from "./block-device.ts";
import { eachNonZeroRun } from "./gather.ts";
import { inspectLoader, type LoaderInfo } from "./loader.ts";
import { type Partition, ROOT_PARTITION, readPartitionTable, SECTOR } from "./mbr.ts";
import { dataMeter } from "./plausible.ts";
import { type DiskFormat, type OpenDiskOptions, openDisk } from "./probe.ts";

/** Where the file system starts is a multiple of this. */
const PARTITION_ALIGNMENT = 2 * MiB;
const COPY_SIZE = 2 * MiB;
const SPARSE_UNIT = 64 * KiB;
const BYTES_BETWEEN_PAUSES = 8 * MiB;

export interface DiskLayout {
  readonly partition: { readonly start: number; readonly size: number };
  readonly totalSize: number;
}

/** Where things lie in a bootable image: the loader, then the file system in whole sectors. Sizes in bytes. */
export function layoutDisk(sizes: { readonly loaderSize: number; readonly filesystemSize: number }): DiskLayout {
  const start = roundUp(sizes.loaderSize, PARTITION_ALIGNMENT);
  const size = roundUp(sizes.filesystemSize, SECTOR);
  return { partition: { start, size }, totalSize: start + size };
}

export interface CopyOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called now and then with the number of bytes that are behind. */
  readonly onProgress?: (done: number) => void;
}

/** Copies a disk to the start of another one, which reads as zeros still: zeros are left out. */
export async function copyDevice(from: BlockDevice, to: WritableBlockDevice, options: CopyOptions = {}): Promise<void> {
  if (from.size > to.size) throw new RangeError(`a disk of ${from.size} bytes does not fit into one of ${to.size}`);
  const buffer = Buffer.allocUnsafe(Math.min(COPY_SIZE, from.size));
  const count = dataMeter(from);
  let lastPause = 0;
  for (let at = 0; at < from.size; ) {
    checkAborted(options.signal);
    const zeros = from.zeroRun?.(at, from.size - at) ?? 0;
    if (zeros > 0) {
      at += zeros;
      // A look into the tables of a vast empty disk takes as long as copying some data.
      lastPause = Number.NEGATIVE_INFINITY;
    } else {
      // Chunks end at multiples of their size, so that clusters are not torn.
      const chunk = buffer.subarray(0, Math.min(COPY_SIZE - (at % COPY_SIZE), from.size - at));
      count(chunk.length);
      from.read(chunk, at);
      eachNonZeroRun(chunk, { offset: at, unit: SPARSE_UNIT }, (run, offset) => to.write(run, offset));
      at += chunk.length;
    }
    if (at - lastPause >= BYTES_BETWEEN_PAUSES) {
      lastPause = at;
      options.onProgress?.(at);
      await setImmediate();
    }
  }
}

/** A composed image (or any disk), opened for looking into it. */
export interface OpenImage extends Closable {
  readonly format: DiskFormat;
  readonly device: BlockDevice;
  /** In bytes, as the guest sees it. */
  readonly size: number;
  /** What it boots; undefined when it cannot boot, and `problems` says why. */
  readonly loader: LoaderInfo | undefined;
  readonly commandLine: string | undefined;
  readonly partitions: readonly Partition[];
  /** The root file system: partition 2, when it lies within the disk. */
  readonly rootPartition: BlockDevice | undefined;
  /** What keeps it from being a complete OSv image: sentences, empty for a good one. */
  readonly problems: readonly string[];
}

/** Opens an image, raw or qcow2. An incomplete one opens too, with its problems told. */
export function openImage(path: string, options: OpenDiskOptions = {}): OpenImage {
  const disk = openDisk(path, options);
  try {
    return { ...disk, size: disk.device.size, ...examine(disk.device, path) };
  } catch (error) {
    disk.close();
    throw error;
  }
}

function examine(device: BlockDevice, path: string) {
  const problems: string[] = [];
  const loader = tryLoader(device, path, problems);
  const partitions = readPartitionTable(device);
  for (const { number, start, size } of partitions) {
    if (start + size > device.size) {
      problems.push(`partition ${number} ends at byte ${start + size}, and the disk at ${device.size}`);
    }
  }
  const root = partitions.find(({ number }) => number === ROOT_PARTITION);
  if (root === undefined) problems.push(`there is no partition ${ROOT_PARTITION}, which holds the root file system`);
  const whole = root !== undefined && root.start + root.size <= device.size;
  const rootPartition = whole ? new ReadWindow(device, root.start, root.size) : undefined;
  return { loader, commandLine: loader?.commandLine, partitions, rootPartition, problems };
}

function tryLoader(device: BlockDevice, path: string, problems: string[]): LoaderInfo | undefined {
  try {
    return inspectLoader(device, path);
  } catch (error) {
    if (!(error instanceof CapstanError) || !error.code.startsWith("loader-")) throw error;
    problems.push(error.message);
    return undefined;
  }
}
