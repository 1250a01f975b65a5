import { dataSetOf } from "../compose/build/base.ts";
import { type ImageView, openView, type RootImage } from "../compose/view.ts";
import { planRoot } from "../compose/write-image.ts";
import { DeviceWindow, ReadWindow } from "../disks/block-device.ts";
import { ROOT_PARTITION, SECTOR, setRootPartition } from "../disks/mbr.ts";
import { formatSize, roundUp } from "../support/bytes.ts";
import type { Context } from "../support/context.ts";
import { CapstanError } from "../support/errors.ts";
import { type AmendTarget, copyAll, replaceDisk } from "./amend.ts";

export interface Resized {
  /** Of the disk as the guest sees it, in bytes. */
  readonly before: number;
  readonly after: number;
  /** The root file system, where it grew with the disk; in bytes. */
  readonly filesystem: { readonly before: number; readonly after: number } | null;
  /** Why it did not: half a sentence. */
  readonly reason: string | null;
}

/**
 * Grows the disk of an image to `size` bytes, in whole sectors, and with it a ZFS root that is the last thing on it: its files are written into a
 * pool of the new size. Where something would be lost by that, only the disk grows.
 *
 * Errors: CapstanError `image-shrinks`, `disk-size`, `partition-too-large`, and those of the disk formats and of ZFS.
 */
export async function resizeImage(target: AmendTarget, size: number, context: Context): Promise<Resized> {
  const view = openView(target.path);
  try {
    const before = view.image.size;
    const after = roundUp(size, SECTOR);
    if (after < before) throw shrinks(target.path, before, after);
    if (after === before) return { before, after, filesystem: null, reason: "the disk has that size already" };
    const growing = growingRoot(view);
    if (typeof growing === "string") {
      const write = (disk: Parameters<typeof copyAll>[1]) => copyAll(view.image.device, disk, context);
      await replaceDisk(target, { size: after, write }, context);
      return { before, after, filesystem: null, reason: growing };
    }
    const { start } = growing;
    const root = {
      kind: "zfs",
      root: growing.dataSet,
      size: after - start,
      timestamp: undefined,
      builder: undefined,
    } as const;
    const plan = planRoot({ tree: growing.root.tree, root });
    const place = { start, size: roundUp(plan.size, SECTOR) };
    const write = async (disk: Parameters<typeof copyAll>[1]) => {
      await copyAll(new ReadWindow(view.image.device, 0, start), disk, context);
      await plan.write(new DeviceWindow(disk, place.start, place.size), context);
      setRootPartition(disk, place);
    };
    await replaceDisk(target, { size: after, write }, context);
    return { before, after, filesystem: { before: growing.size, after: place.size }, reason: null };
  } finally {
    view.close();
  }
}

interface GrowingRoot {
  readonly root: RootImage;
  readonly dataSet: "osv" | "osv/zfs" | "both";
  readonly start: number;
  readonly size: number;
}

/** The root file system that can grow, or why it cannot. */
function growingRoot(view: ImageView): GrowingRoot | string {
  const { partitions } = view.image;
  const partition = partitions.find(({ number }) => number === ROOT_PARTITION);
  if (partition === undefined) return "there is no root file system on it";
  if (view.filesystem === "rofs") return "a ROFS is as large as its files, and is never written to";
  if (view.filesystem === undefined) return "its root file system is neither ROFS nor ZFS";
  if (partitions.some(({ start }) => start > partition.start))
    return "another partition lies behind the root file system";
  const root = view.root();
  const others = (root.zfs?.datasets ?? []).filter((name) => name !== "osv" && name !== "osv/zfs");
  if (others.length > 0) return `its pool has further file systems (${others.join(", ")}), which would be lost`;
  const [omitted] = root.zfs?.omitted ?? [];
  if (omitted !== undefined) return `${omitted}, and would be lost`;
  return { root, dataSet: dataSetOf(root) ?? "osv", start: partition.start, size: partition.size };
}

function shrinks(path: string, before: number, after: number): CapstanError {
  return new CapstanError(`${path} has ${formatSize(before)}, and disks only grow: ${formatSize(after)} is less`, {
    code: "image-shrinks",
    hint: "Give a larger size, or compose the image anew with another --size.",
  });
}
