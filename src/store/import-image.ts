import { closeSync, openSync, readSync, renameSync, statSync } from "node:fs";
import type { BlockDevice } from "../disks/block-device.ts";
import { hasBootSignature } from "../disks/mbr.ts";
import { type DiskFormat, openDisk } from "../disks/probe.ts";
import type { Context } from "../support/context.ts";
import { CapstanError, doing } from "../support/errors.ts";
import { copyToNew } from "./copy.ts";
import { formatLocalTime, type ImageMeta } from "./image-index.ts";
import type { Layout } from "./layout.ts";
import { checkImageName } from "./names.ts";
import { KERNEL_SUFFIX, stageImage } from "./stage.ts";

export interface ImportedImage {
  readonly name: string;
  readonly path: string;
  readonly format: ImageFormat;
}

/** `elf` is a kernel alone, such as OSv's ZFS builder, which QEMU boots by its own file. */
export type ImageFormat = DiskFormat | "elf";

/**
 * Copies a bootable disk of any format that is read, or a kernel, into the store. It becomes NAME.qemu whatever it is: the original lists
 * and runs nothing else. `meta.created` is now unless it is given.
 *
 * Errors: CapstanError `image-not-bootable`, `backing-refused`, and those of the disk formats.
 */
export async function importImage(
  layout: Layout,
  image: {
    readonly name: string;
    readonly file: string;
    /** What messages call the file; its path without it. */
    readonly shown?: string | undefined;
    /** The ELF of the same kernel, kept beside the image. */
    readonly kernel?: string | undefined;
    readonly meta?: ImageMeta;
    /** Whether the file, which is on the store's disk then, is moved and not copied. */
    readonly move?: boolean | undefined;
  },
  context: Pick<Context, "now" | "signal" | "reporter">,
): Promise<ImportedImage> {
  const { full } = checkImageName(image.name);
  const shown = image.shown ?? image.file;
  formatOf(image.file, shown);
  if (image.kernel !== undefined) checkKernel(image.kernel);
  const stage = stageImage(layout, full, { now: context.now(), signal: context.signal });
  try {
    if (image.move === true) renameSync(image.file, stage.temporaryPath);
    else {
      await copyToNew(image.file, stage.temporaryPath, {
        signal: context.signal,
        onProgress: (done, total) =>
          context.reporter.report({ kind: "progress", text: `Importing ${full}`, done, total, unit: "bytes" }),
      });
    }
    // The copy is what counts: the file may have been written to in the meantime.
    const format = formatOf(stage.temporaryPath, shown);
    const created = image.meta?.created ?? formatLocalTime(context.now());
    const kernel = image.kernel === undefined ? [] : [{ suffix: KERNEL_SUFFIX, path: image.kernel }];
    const path = await stage.commit({ ...image.meta, created }, kernel);
    return { name: full, path, format };
  } catch (error) {
    stage.abort();
    throw error;
  }
}

function formatOf(path: string, shown: string): ImageFormat {
  return isElf(path) ? "elf" : formatOfDisk(path, shown);
}

/** Opens it as a guest's disk would be; what lies upon another file would lose that one by being copied. */
function formatOfDisk(path: string, shown: string): DiskFormat {
  const disk = openDisk(path, { backing: "refuse" });
  try {
    if (isBootableDisk(disk.device)) return disk.format;
    const size = disk.device.size;
    throw new CapstanError(
      size === 0 ? `${shown} is empty` : `${shown} is not a bootable disk: its first sector does not end in 55 AA`,
      {
        code: "image-not-bootable",
        hint: "Import a whole disk image (raw, qcow2, vmdk, vdi or vhd), such as OSv's loader.img or usr.img, or a kernel (ELF).",
      },
    );
  } finally {
    disk.close();
  }
}

/** Whether a machine would start from it, as far as its first sector tells. */
export function isBootableDisk(device: BlockDevice): boolean {
  return hasBootSignature(device) || isArmKernel(device);
}

/**
 * OSv for ARM begins with the header of a Linux kernel, and its disks have no boot sector: the magic at byte 56 is of Linux's
 * Documentation/arch/arm64/booting.rst; OSv arch/aarch64/preboot.S.
 */
function isArmKernel(device: BlockDevice): boolean {
  const magic = Buffer.alloc(4);
  if (device.size < ARM_MAGIC_OFFSET + magic.length) return false;
  device.read(magic, ARM_MAGIC_OFFSET);
  return magic.toString("latin1") === "ARMd";
}

const ARM_MAGIC_OFFSET = 56;

function checkKernel(path: string): void {
  if (isElf(path)) return;
  throw new CapstanError(`${path} is not a kernel: it is no ELF file`, {
    code: "kernel-not-elf",
    hint: "Name the kernel ELF of the same build: osv-loader.elf of a release, or loader-stripped.elf of an OSv build.",
  });
}

function isElf(path: string): boolean {
  const magic = Buffer.alloc(4);
  doing(`Reading ${path}`, () => {
    // A FIFO would be waited for.
    if (!statSync(path).isFile()) return;
    const file = openSync(path, "r");
    try {
      readSync(file, magic, 0, magic.length, 0);
    } finally {
      closeSync(file);
    }
  });
  return magic.toString("latin1") === "\x7fELF";
}
