import { type OpenImage, openImage } from "../disks/image.ts";
import type { OpenDiskOptions } from "../disks/probe.ts";
import type { ReadableDevice } from "../filesystems/device.ts";
import { isRofs, openRofs } from "../filesystems/rofs/reader.ts";
import type { TreeImage } from "../filesystems/tree-image.ts";
import { checkPool } from "../filesystems/zfs/check.ts";
import { isZfs, openZfs, type ZfsImage } from "../filesystems/zfs/reader.ts";
import { CapstanError } from "../support/errors.ts";

/** An image opened for looking into it, with its root file system where that can be read. */
export interface ImageView {
  readonly path: string;
  readonly image: OpenImage;
  readonly filesystem: "rofs" | "zfs" | undefined;
  /** Reads the tables of the root file system; a CapstanError where there is none that can be read. */
  readonly root: () => RootImage;
  /** Reads all of the root file system and tells what is wrong with it, a sentence each. */
  readonly verify: () => readonly string[];
  close(): void;
}

/** The root file system; with `zfs`, a pool. */
export interface RootImage extends TreeImage {
  readonly zfs?: Pick<ZfsImage, "label" | "txg" | "dataset" | "datasets" | "filled" | "omitted">;
}

/** An image may come from a stranger: a base that it names could be any file of this machine, and is refused unless told otherwise. */
export function openView(path: string, options: OpenDiskOptions = {}): ImageView {
  const image = openImage(path, { backing: "refuse", ...options });
  const root = findRoot(image.rootPartition);
  return {
    path,
    image,
    filesystem: root?.filesystem,
    root: () => root?.open() ?? refuse(path, image),
    verify: () => root?.verify() ?? refuse(path, image),
    close: () => image.close(),
  };
}

interface Root {
  readonly filesystem: "rofs" | "zfs";
  readonly open: () => RootImage;
  readonly verify: () => readonly string[];
}

function findRoot(partition: ReadableDevice | undefined): Root | undefined {
  if (partition === undefined) return undefined;
  if (isRofs(partition)) {
    const open = () => openRofs(partition);
    return { filesystem: "rofs", open, verify: () => verifyRofs(open) };
  }
  if (!isZfs(partition)) return undefined;
  return { filesystem: "zfs", open: () => openPool(partition), verify: () => checkPool(partition).problems };
}

function openPool(partition: ReadableDevice): RootImage {
  const { label, txg, dataset, datasets, filled, omitted, ...image } = openZfs(partition);
  return { ...image, zfs: { label, txg, dataset, datasets, filled, omitted } };
}

/** A ROFS has no checksums: that its tables hold together is all that can be said. */
function verifyRofs(open: () => RootImage): readonly string[] {
  try {
    open();
    return [];
  } catch (error) {
    if (error instanceof CapstanError) return [error.message];
    throw error;
  }
}

function refuse(path: string, image: OpenImage): never {
  throw new CapstanError(`${path} has no root file system that can be read${reason(image)}`, {
    code: "no-root-filesystem",
    hint: "Images with a ROFS or ZFS root can be looked into; `capstan image inspect` tells what this one holds.",
  });
}

function reason(image: OpenImage): string {
  return image.problems.length > 0 ? `: ${image.problems[0]}` : ": partition 2 holds neither ROFS nor ZFS";
}
