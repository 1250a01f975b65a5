import { closeSync, linkSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { basename, dirname } from "node:path";
import type { WritableBlockDevice } from "../disks/block-device.ts";
import { BOOT_ARGS_OFFSET, getBootArgs, KERNEL_OFFSET, setBootArgs } from "../disks/boot-args.ts";
import { type OpenDisk, openDisk } from "../disks/probe.ts";
import { decodeHeader, decodeL1Entry, decodeL2Entry, ENTRY_SIZE, HEADER_READ_SIZE } from "../disks/qcow2/layout.ts";
import { createQcow2 } from "../disks/qcow2/writer.ts";
import { CapstanError, doing, isErrno, withNoun } from "../support/errors.ts";

/**
 * Gives a file a second name, so that removing or replacing the first one leaves it as it is.
 * Where that is impossible (another file system, another owner), the first name is returned and has to do.
 */
export function keepByLink(path: string, link: string): string {
  try {
    rmSync(link, { force: true });
    linkSync(path, link);
    return link;
  } catch (error) {
    if (isErrno(error, "EXDEV", "EPERM", "EACCES", "EMLINK", "ENOTSUP", "EOPNOTSUPP", "ENOSYS")) return path;
    throw withNoun(error, `Linking ${path} into ${dirname(link)}`);
  }
}

export interface OverlayInput {
  /** Where the overlay comes to lie. */
  readonly path: string;
  /** The image below it. */
  readonly base: string;
  /** The boot command line to set in it, made from the one of the image; kept as it is without one. */
  readonly commandLine?: ((composed: string) => string) | undefined;
  /** Whether it is to survive a crash of this machine. */
  readonly durable: boolean;
}

/** Creates the disk of an instance: empty, but for the boot command line, and over the image. Returns the command line. */
export function createOverlay({ path, base, commandLine, durable }: OverlayInput): string {
  const below = openDisk(base);
  try {
    const composed = getBootArgs(below.device);
    const wanted = commandLine?.(composed) ?? composed;
    writeOverlay({ path, base, below, wanted, durable });
    return wanted;
  } catch (error) {
    throw withNoun(error, `Making the instance's disk ${path}`);
  } finally {
    below.close();
  }
}

interface WriteInput {
  readonly path: string;
  readonly base: string;
  readonly below: OpenDisk;
  readonly wanted: string;
  readonly durable: boolean;
}

function writeOverlay({ path, base, below, wanted, durable }: WriteInput): void {
  const name = dirname(base) === dirname(path) ? basename(base) : base;
  const overlay = createQcow2(path, {
    size: below.device.size,
    backing: { path: name, format: below.format, device: below.device },
    sync: durable,
  });
  try {
    // Written even when nothing changes: the first cluster is then the overlay's own, and can be changed in place later.
    setBootArgs(overlay, wanted);
    overlay.flush();
  } finally {
    overlay.close();
  }
}

/** The boot command line of an image, of whatever format. */
export function readCommandLine(path: string): string {
  const disk = openDisk(path);
  try {
    return getBootArgs(disk.device);
  } finally {
    disk.close();
  }
}

/**
 * Sets another boot command line in an overlay that has been used.
 * @throws CapstanError `overlay-foreign` when its first cluster is not its own
 */
export function changeCommandLine(path: string, text: string): void {
  const disk = openDisk(path);
  const head = Buffer.alloc(KERNEL_OFFSET);
  try {
    if (disk.device.size < KERNEL_OFFSET) throw foreign(path);
    disk.device.read(head, 0);
  } finally {
    disk.close();
  }
  const device = inMemory(head);
  if (getBootArgs(device) === text) return;
  setBootArgs(device, text);
  doing(`Writing ${path}`, () => writeFirstCluster(path, head));
}

function inMemory(bytes: Buffer): WritableBlockDevice {
  return {
    size: bytes.length,
    read: (target, offset) => {
      target.set(bytes.subarray(offset, offset + target.length));
    },
    write: (data, offset) => {
      bytes.set(data, offset);
    },
    flush: () => {},
  };
}

function writeFirstCluster(path: string, head: Buffer): void {
  const file = openSync(path, "r+");
  try {
    const at = firstCluster(path, file);
    let from = BOOT_ARGS_OFFSET;
    while (from < head.length) from += writeSync(file, head, from, head.length - from, at + from);
  } finally {
    closeSync(file);
  }
}

/** Where in the file the disk's first 64 KiB lie. */
function firstCluster(path: string, file: number): number {
  const read = (length: number, at: number) => {
    const bytes = Buffer.alloc(length);
    return bytes.subarray(0, readSync(file, bytes, 0, length, at));
  };
  const header = decodeHeader(read(HEADER_READ_SIZE, 0), { path, fileSize: Number.MAX_SAFE_INTEGER });
  const table = decodeL1Entry(read(ENTRY_SIZE, header.l1Offset), 0, header.clusterBits);
  if (typeof table !== "number" || table === 0) throw foreign(path);
  const entry = read(ENTRY_SIZE, table);
  const cluster = decodeL2Entry(entry, 0, header);
  // The highest bit says that nothing else, such as a snapshot, uses the cluster.
  const isOwn = (entry.readUInt8(0) & 0x80) !== 0;
  if (cluster.kind !== "data" || !isOwn || 2 ** header.clusterBits < KERNEL_OFFSET) throw foreign(path);
  return cluster.offset;
}

function foreign(path: string): CapstanError {
  return new CapstanError(`The boot command of ${path} cannot be changed in place`, {
    code: "overlay-foreign",
    hint: "Run the instance without another boot command, or make a new one from the image.",
  });
}
