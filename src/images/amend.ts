import { closeSync, existsSync, openSync, readSync, renameSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { PROVENANCE_SUFFIX } from "../compose/provenance.ts";
import type { BlockDevice, WritableBlockDevice } from "../disks/block-device.ts";
import { createDisk } from "../disks/create.ts";
import { copyDevice } from "../disks/image.ts";
import { type DiskFormat, openDisk } from "../disks/probe.ts";
import { createVhd } from "../disks/vhd/writer.ts";
import { readImageIndex } from "../store/image-index.ts";
import { imagePaths, type Layout } from "../store/layout.ts";
import { imageKernel } from "../store/loaders.ts";
import { checkImageName } from "../store/names.ts";
import { KERNEL_SUFFIX, stageImage } from "../store/stage.ts";
import { temporaryBeside } from "../support/atomic.ts";
import type { Context } from "../support/context.ts";
import { doing } from "../support/errors.ts";

/** An image that is to be changed: one of the store, or a file. */
export interface AmendTarget {
  readonly path: string;
  /** Of the store; undefined for a file. */
  readonly name: string | undefined;
  readonly layout: Layout;
}

export interface Change {
  /** Of the new disk, in bytes. */
  readonly size: number;
  /** Fills the new disk, which reads as zeros still. */
  readonly write: (disk: WritableBlockDevice, context: Context) => Promise<void>;
}

/**
 * Puts a new disk of the same format in the place of an image. The old one is never written to: whoever has it open, such as a
 * guest, goes on with that. What lies beside it in the store stays with it; that it is up to date with a project is forgotten.
 */
export async function replaceDisk(target: AmendTarget, change: Change, context: Context): Promise<DiskFormat> {
  const { path, name, layout } = target;
  if (name === undefined) {
    const temporary = temporaryBeside(path);
    try {
      const format = await writeLike(path, temporary, change, context);
      doing(`Writing ${path}`, () => renameSync(temporary, path));
      return format;
    } finally {
      rmSync(temporary, { force: true });
    }
  }
  const { index } = imagePaths(layout, checkImageName(name));
  const stage = stageImage(layout, name, { now: context.now(), signal: context.signal });
  try {
    const format = await writeLike(path, stage.temporaryPath, change, context);
    await stage.commit({ ...readImageIndex(index), inputs: undefined }, companionsOf(name, path, layout));
    return format;
  } catch (error) {
    stage.abort();
    throw error;
  }
}

/** A copy of `from` at the start of the disk. */
export async function copyAll(
  from: BlockDevice,
  to: WritableBlockDevice,
  { signal, reporter }: Context,
): Promise<void> {
  const total = from.size;
  await copyDevice(from, to, {
    signal,
    onProgress: (done) =>
      reporter.report({
        kind: "progress",
        text: "Writing the image",
        done: Math.min(done, total),
        total,
        unit: "bytes",
      }),
  });
}

async function writeLike(like: string, path: string, change: Change, context: Context): Promise<DiskFormat> {
  const { format, close } = openDisk(like, { backing: "refuse" });
  close();
  const time = Math.floor(context.now().getTime() / 1000);
  const { size } = change;
  const fixed = format === "vpc" && isFixedVhd(like);
  const disk = fixed
    ? createVhd(path, { size, type: "fixed", time })
    : createDisk(path, { format, size, time, fileName: basename(like) });
  try {
    await change.write(disk, context);
    disk.flush();
  } finally {
    disk.close();
  }
  return format;
}

/** A growing VHD begins with a copy of its footer: Microsoft's "Virtual Hard Disk Image Format Specification". */
function isFixedVhd(path: string): boolean {
  const start = Buffer.alloc(8);
  const file = openSync(path, "r");
  try {
    readSync(file, start, 0, start.length, 0);
  } finally {
    closeSync(file);
  }
  return start.toString("latin1") !== "conectix";
}

function companionsOf(name: string, image: string, layout: Layout) {
  const { base } = checkImageName(name);
  const kernel = imageKernel(layout, name);
  const sources = join(dirname(image), `${base}${PROVENANCE_SUFFIX}`);
  return [
    ...(kernel === undefined ? [] : [{ suffix: KERNEL_SUFFIX, path: kernel }]),
    ...(existsSync(sources) && statSync(sources).isFile() ? [{ suffix: PROVENANCE_SUFFIX, path: sources }] : []),
  ];
}
