import { linkSync, rmSync } from "node:fs";
import { basename, dirname } from "node:path";
import type { WritableBlockDevice } from "../disks/block-device.ts";
import { getBootArgs, setBootArgs } from "../disks/boot-args.ts";
import { type OpenDisk, openDisk } from "../disks/probe.ts";
import { createQcow2 } from "../disks/qcow2/writer.ts";
import { isErrno, withNoun } from "../support/errors.ts";
import { changeInPlace } from "./overlay-in-place.ts";

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
  /** What else is to be changed in it. */
  readonly change?: OverlayChange | undefined;
}

export interface OverlayChange {
  /** How much longer than the image the disk becomes, in bytes. */
  readonly room: number;
  /** The room starts at a cluster of its own. */
  readonly write: (overlay: WritableBlockDevice, roomStart: number) => void;
}

/** Creates the disk of an instance: empty, but for the boot command line, and over the image. Returns the command line. */
export function createOverlay({ path, base, commandLine, durable, change }: OverlayInput): string {
  const below = openDisk(base);
  try {
    const composed = getBootArgs(below.device);
    const wanted = commandLine?.(composed) ?? composed;
    writeOverlay({ path, base, below, wanted, durable, change });
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
  readonly change: OverlayChange | undefined;
}

function writeOverlay({ path, base, below, wanted, durable, change }: WriteInput): void {
  const name = dirname(base) === dirname(path) ? basename(base) : base;
  const { size } = below.device;
  const roomStart = Math.ceil(size / CLUSTER) * CLUSTER;
  const overlay = createQcow2(path, {
    size: change === undefined ? size : roomStart + change.room,
    backing: { path: name, format: below.format, device: below.device },
    sync: durable,
  });
  try {
    // Written even when nothing changes: the first cluster is then the overlay's own, and can be changed in place later.
    setBootArgs(overlay, wanted);
    change?.write(overlay, roomStart);
    overlay.flush();
  } finally {
    overlay.close();
  }
}

/** Of the disks that createQcow2 makes. */
const CLUSTER = 1 << 16;

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
  changeInPlace(path, (disk) => {
    if (getBootArgs(disk) !== text) setBootArgs(disk, text);
  });
}
