import { closeSync, openSync, readSync, writeSync } from "node:fs";
import type { WritableBlockDevice } from "../disks/block-device.ts";
import { openDisk } from "../disks/probe.ts";
import {
  decodeHeader,
  decodeL1Entry,
  decodeL2Entry,
  ENTRY_SIZE,
  HEADER_READ_SIZE,
  type Header,
} from "../disks/qcow2/layout.ts";
import { CapstanError, doing } from "../support/errors.ts";

/**
 * Changes a qcow2 overlay that has been used, where it has clusters of its own: nothing is allocated. Nothing at all is
 * written unless everything can be.
 * @throws CapstanError `overlay-foreign` when a place is not its own, and what `work` throws
 */
export function changeInPlace(path: string, work: (disk: WritableBlockDevice) => void): void {
  const pieces = collect(path, work);
  if (pieces.size === 0) return;
  doing(`Writing ${path}`, () => {
    const file = openSync(path, "r+");
    try {
      const header = decodeHeader(readAt(file, 0, HEADER_READ_SIZE), { path, fileSize: Number.MAX_SAFE_INTEGER });
      const places = [...pieces].map(([start, bytes]) => ({ bytes, at: hostOffset({ path, file, header }, start) }));
      for (const { bytes, at } of places) writeAll(file, bytes, at);
    } finally {
      closeSync(file);
    }
  });
}

/** What is read and written at once; the clusters of our own overlays have this size, others at least that. */
const PIECE = 1 << 16;

/** The changed pieces by their offsets. */
function collect(path: string, work: (disk: WritableBlockDevice) => void): Map<number, Buffer> {
  const disk = openDisk(path);
  const { device } = disk;
  const before = new Map<number, Buffer>();
  const after = new Map<number, Buffer>();
  const piece = (start: number) => {
    const known = after.get(start);
    if (known !== undefined) return known;
    const bytes = Buffer.alloc(Math.min(PIECE, device.size - start));
    device.read(bytes, start);
    before.set(start, bytes);
    const copy = Buffer.from(bytes);
    after.set(start, copy);
    return copy;
  };
  try {
    work({
      size: device.size,
      read: (target, offset) => {
        device.read(target, offset);
        for (const [start, bytes] of after) {
          const [from, to] = [Math.max(start, offset), Math.min(start + bytes.length, offset + target.length)];
          if (from < to) target.set(bytes.subarray(from - start, to - start), from - offset);
        }
      },
      write: (data, offset) => {
        for (let at = offset; at < offset + data.length; ) {
          const start = at - (at % PIECE);
          const end = Math.min(start + PIECE, offset + data.length);
          piece(start).set(data.subarray(at - offset, end - offset), at - start);
          at = end;
        }
      },
      flush: () => {},
    });
  } finally {
    disk.close();
  }
  return new Map([...after].filter(([start, bytes]) => before.get(start)?.equals(bytes) === false));
}

interface Overlay {
  readonly path: string;
  readonly file: number;
  readonly header: Header;
}

/** Where in the file a piece of the disk lies. */
function hostOffset({ path, file, header }: Overlay, start: number): number {
  const size = 2 ** header.clusterBits;
  const index = Math.floor(start / size);
  const perTable = size / ENTRY_SIZE;
  const l1 = readAt(file, header.l1Offset + Math.floor(index / perTable) * ENTRY_SIZE, ENTRY_SIZE);
  const table = size < PIECE ? undefined : decodeL1Entry(l1, 0, header.clusterBits);
  if (typeof table !== "number" || table === 0) throw foreign(path);
  const entry = readAt(file, table + (index % perTable) * ENTRY_SIZE, ENTRY_SIZE);
  const cluster = decodeL2Entry(entry, 0, header);
  // The highest bit says that nothing else, such as a snapshot, uses the cluster.
  const isOwn = (entry.readUInt8(0) & 0x80) !== 0;
  if (cluster.kind !== "data" || !isOwn) throw foreign(path);
  return cluster.offset + (start % size);
}

function readAt(file: number, at: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  readSync(file, bytes, 0, length, at);
  return bytes;
}

function writeAll(file: number, bytes: Buffer, at: number): void {
  let done = 0;
  while (done < bytes.length) done += writeSync(file, bytes, done, bytes.length - done, at + done);
}

function foreign(path: string): CapstanError {
  return new CapstanError(`${path} cannot be changed in place`, {
    code: "overlay-foreign",
    hint: "Run the instance without another boot command, or make a new one from the image.",
  });
}
