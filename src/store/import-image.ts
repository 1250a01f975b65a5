import { closeSync, openSync, readSync, renameSync, statSync } from "node:fs";
import { hasBootSignature } from "../disks/mbr.ts";
import { openDisk } from "../disks/probe.ts";
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
  readonly format: "raw" | "qcow2";
}

/**
 * Copies a bootable disk, raw or qcow2, into the store. It becomes NAME.qemu whatever it is: the original lists and
 * runs nothing else. `meta.created` is now unless it is given.
 *
 * Errors: CapstanError `image-not-bootable`, `backing-refused`, and those of the disk formats.
 */
export async function importImage(
  layout: Layout,
  image: {
    readonly name: string;
    readonly file: string;
    /** The ELF of the same kernel, kept beside the image. */
    readonly kernel?: string | undefined;
    readonly meta?: ImageMeta;
    /** Whether the file, which is on the store's disk then, is moved and not copied. */
    readonly move?: boolean | undefined;
  },
  context: Pick<Context, "now" | "signal" | "reporter">,
): Promise<ImportedImage> {
  const { full } = checkImageName(image.name);
  checkDisk(image.file, image.file);
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
    const format = checkDisk(stage.temporaryPath, image.file);
    const created = image.meta?.created ?? formatLocalTime(context.now());
    const kernel = image.kernel === undefined ? [] : [{ suffix: KERNEL_SUFFIX, path: image.kernel }];
    const path = await stage.commit({ ...image.meta, created }, kernel);
    return { name: full, path, format };
  } catch (error) {
    stage.abort();
    throw error;
  }
}

/** Opens it as a guest's disk would be; what lies upon another file would lose that one by being copied. */
function checkDisk(path: string, shown: string): "raw" | "qcow2" {
  const disk = openDisk(path, { backing: "refuse" });
  try {
    if (hasBootSignature(disk.device)) return disk.format;
    const size = disk.device.size;
    throw new CapstanError(
      size === 0 ? `${shown} is empty` : `${shown} is not a bootable disk: its first sector does not end in 55 AA`,
      {
        code: "image-not-bootable",
        hint: "Import a whole disk image (raw or qcow2), such as OSv's loader.img or usr.img.",
      },
    );
  } finally {
    disk.close();
  }
}

function checkKernel(path: string): void {
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
  if (magic.toString("latin1") === "\x7fELF") return;
  throw new CapstanError(`${path} is not a kernel: it is no ELF file`, {
    code: "kernel-not-elf",
    hint: "Name the kernel ELF of the same build: osv-loader.elf of a release, or loader-stripped.elf of an OSv build.",
  });
}
