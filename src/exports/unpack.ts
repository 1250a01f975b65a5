import { rmSync } from "node:fs";
import type { Closable, WritableBlockDevice } from "../disks/block-device.ts";
import { createRaw } from "../disks/raw.ts";
import { decodeHeader as decodeVmdk, isVmdk } from "../disks/vmdk/layout.ts";
import { readArchive } from "../packages/tar/archive.ts";
import { ChunkReader } from "../packages/tar/chunk-reader.ts";
import {
  BLOCK_SIZE,
  decodeHeader,
  decodeSparseBlock,
  decodeSparseHeader,
  paddingOf,
  type SparseRun,
  TypeFlag,
} from "../packages/tar/layout.ts";
import { formatSize, GiB, isZero } from "../support/bytes.ts";
import { CapstanError } from "../support/errors.ts";

export interface UnpackDiskOptions {
  /** How many bytes of the archive may be unpacked. */
  readonly limit: number;
  readonly signal?: AbortSignal | undefined;
  /** Called with the number of bytes that are behind, of those of the disk's file. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/**
 * Takes the disk out of an archive that holds one: the tarball of Google Compute Engine, or an OVA. It is written to
 * `target`, where nothing is yet, as it is in the archive, and sparse where it is zero. Of several disks the first one counts.
 * A failure takes the file away again.
 *
 * Errors: CapstanError `no-disk-in-archive`, `archive-damaged`, `archive-too-large`, and those of reading.
 */
export async function unpackDisk(archive: string, target: string, options: UnpackDiskOptions): Promise<void> {
  await withDisk(archive, options, (reader, disk) => writeDisk(reader, target, { ...options, ...disk, archive }));
}

/** A disk in an archive; sizes in bytes. */
export interface PackedDisk {
  /** Of its file. */
  readonly name: string;
  readonly size: number;
  /** As the guest sees it; null where its format does not say that at its start. */
  readonly virtualSize: number | null;
}

/** Tells of the same disk without unpacking it. Errors: as of unpackDisk. */
export async function describePackedDisk(
  archive: string,
  options: Pick<UnpackDiskOptions, "limit" | "signal">,
): Promise<PackedDisk> {
  return await withDisk(archive, options, async (reader, { name, size, runs }) => {
    if (/\.(raw|img)$/i.test(name)) return { name, size, virtualSize: size };
    const start = Buffer.from(runs[0]?.offset === 0 ? await reader.take(BLOCK_SIZE) : []);
    return { name, size, virtualSize: isVmdk(start) ? decodeVmdk(start, archive).capacity * BLOCK_SIZE : null };
  });
}

async function withDisk<T>(
  archive: string,
  options: Pick<UnpackDiskOptions, "limit" | "signal">,
  work: (reader: ChunkReader, disk: DiskMap & { readonly name: string }) => Promise<T>,
): Promise<T> {
  const reader = new ChunkReader(limited(readArchive(archive, options), archive, options.limit));
  try {
    for (;;) {
      const block = Buffer.from(await reader.take(BLOCK_SIZE));
      if (block.length < BLOCK_SIZE || isZero(block)) throw noDisk(archive);
      const header = decodeHeader(block);
      if (header === "checksum" || !Number.isSafeInteger(header.size)) throw damaged(archive, "a header is wrong");
      const name = Buffer.from(header.name).toString("utf8");
      const isFile = FILE_TYPES.includes(header.type);
      if (isFile && DISK_NAME.test(name)) {
        const map = await readMap(reader, { block, type: header.type, size: header.size, archive });
        return await work(reader, { ...map, name });
      }
      if (header.type === TypeFlag.gnuSparse) await readMap(reader, { block, ...header, archive });
      await reader.skip(header.size + paddingOf(header.size));
    }
  } finally {
    await reader.close();
  }
}

const FILE_TYPES: readonly string[] = [TypeFlag.file, TypeFlag.oldFile, TypeFlag.contiguousFile, TypeFlag.gnuSparse];
const DISK_NAME = /\.(raw|vmdk|vdi|vhd|qcow2|img)$/i;
const LARGEST_DISK = 65_536 * GiB;
/** As many as a disk of 128 GiB needs when every second unit of 64 KiB is a hole; each takes some memory. */
const MOST_RUNS = 1_000_000;

interface DiskMap {
  readonly size: number;
  readonly runs: readonly SparseRun[];
}

interface MapInput {
  readonly block: Buffer;
  readonly type: string;
  /** Of the stored bytes. */
  readonly size: number;
  readonly archive: string;
}

async function readMap(reader: ChunkReader, { block, type, size, archive }: MapInput): Promise<DiskMap> {
  if (type !== TypeFlag.gnuSparse) return { size, runs: [{ offset: 0, length: size }] };
  const first = decodeSparseHeader(block);
  const runs = [...first.runs];
  for (let isExtended = first.isExtended; isExtended; ) {
    const further = await reader.take(BLOCK_SIZE);
    if (further.length < BLOCK_SIZE || runs.length > MOST_RUNS) throw damaged(archive, "its list of holes has no end");
    const decoded = decodeSparseBlock(further);
    runs.push(...decoded.runs);
    isExtended = decoded.isExtended;
  }
  checkRuns(runs, { size: first.realSize, stored: size, archive });
  return { size: first.realSize, runs };
}

function checkRuns(
  runs: readonly SparseRun[],
  { size, stored, archive }: { readonly size: number; readonly stored: number; readonly archive: string },
): void {
  let [end, sum] = [0, 0];
  for (const { offset, length } of runs) {
    if (!(offset >= end && length >= 0 && offset + length <= size))
      throw damaged(archive, "its list of holes is wrong");
    end = offset + length;
    sum += length;
  }
  if (sum !== stored || !(size <= LARGEST_DISK)) throw damaged(archive, "its list of holes is wrong");
}

async function writeDisk(
  reader: ChunkReader,
  target: string,
  { size, runs, archive, onProgress }: DiskMap & UnpackDiskOptions & { readonly archive: string },
): Promise<void> {
  const disk: WritableBlockDevice & Closable = createRaw(target, { size });
  try {
    for (const { offset, length } of runs) {
      for (let done = 0; done < length; ) {
        const chunk = await reader.take(Math.min(length - done, CHUNK));
        if (chunk.length === 0) throw damaged(archive, "it is cut off");
        disk.write(chunk, offset + done);
        done += chunk.length;
        onProgress?.(offset + done, size);
      }
    }
    disk.flush();
    disk.close();
  } catch (error) {
    disk.close();
    rmSync(target, { force: true });
    throw error;
  }
}

const CHUNK = 2 ** 20;

async function* limited(chunks: AsyncIterable<Uint8Array>, archive: string, limit: number): AsyncGenerator<Uint8Array> {
  let left = limit;
  for await (const chunk of chunks) {
    left -= chunk.length;
    if (left < 0) {
      throw new CapstanError(`${archive} unpacks to more than ${formatSize(limit)}`, {
        code: "archive-too-large",
        hint: "Raise the limit with --unpack-limit, if you trust where it came from.",
      });
    }
    yield chunk;
  }
}

function noDisk(archive: string): CapstanError {
  return new CapstanError(`There is no disk in ${archive}`, {
    code: "no-disk-in-archive",
    hint: "Name an OVA, a tarball of Google Compute Engine (with disk.raw in it), or a disk image.",
  });
}

function damaged(archive: string, problem: string): CapstanError {
  return new CapstanError(`${archive} is damaged: ${problem}`, {
    code: "archive-damaged",
    hint: "Get or export it again.",
  });
}
