import { closeSync, createReadStream, createWriteStream, openSync, readSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { hasBootSignature } from "../disks/mbr.ts";
import { openDisk } from "../disks/probe.ts";
import { createGzipFile } from "../packages/tar/gzip-file.ts";
import { copyToNew } from "../store/copy.ts";
import { formatImageIndex, type ImageMeta, readImageIndex } from "../store/image-index.ts";
import { checkImageName } from "../store/names.ts";
import { MiB } from "../support/bytes.ts";
import type { Context } from "../support/context.ts";
import { CapstanError, checkAborted, doing, isErrno } from "../support/errors.ts";
import type { Add } from "./add-package.ts";
import type { Added } from "./add-to-repository.ts";
import { generatedTime } from "./generated-time.ts";
import { stageImage } from "./place-image.ts";

export interface ImageAddition {
  readonly kind: "image";
  /** `[NS/]NAME` */
  readonly name: string;
  /** A bootable disk, raw or qcow2, gzip-compressed or not. */
  readonly disk: string;
  /** The kernel's ELF of the same build. */
  readonly kernel?: string | undefined;
  /** An index.yaml: what the image is. */
  readonly index?: string | undefined;
  /** The same, known otherwise. */
  readonly meta?: ImageMeta | undefined;
}

/**
 * Compresses a disk into `NAME/NAME.qemu.gz`: under this name all clients find it, the original among them, which asks
 * buckets for nothing else.
 */
export async function addImage(addition: ImageAddition, add: Add, context: Context): Promise<Added> {
  const { base } = checkImageName(addition.name);
  const meta = readMeta(addition, context);
  return await stageImage({ name: addition.name, meta, disk: `${base}.qemu.gz` }, add, {
    context,
    fill: (stage) =>
      doing(`Copying ${addition.disk}`, async () => {
        await compressDisk(resolve(context.cwd, addition.disk), join(stage, `${base}.qemu.gz`), context);
        if (addition.kernel !== undefined) {
          const kernel = resolve(context.cwd, addition.kernel);
          checkKernel(kernel);
          await copyToNew(kernel, join(stage, `${base}.elf`), { signal: context.signal });
        }
        writeFileSync(join(stage, "index.yaml"), formatImageIndex(meta));
      }),
  });
}

function readMeta(addition: ImageAddition, context: Context): ImageMeta {
  const described = addition.index === undefined ? {} : readImageIndex(resolve(context.cwd, addition.index));
  const meta = { ...described, ...addition.meta };
  // UTC, as whoever reads a time without a zone takes it.
  return { ...meta, created: meta.created ?? generatedTime(context).slice(0, 16).replace("T", " ") };
}

async function compressDisk(source: string, target: string, context: Context): Promise<void> {
  const plain = (await isGzip(source)) ? `${target}.plain` : source;
  try {
    if (plain !== source) await pipeline(createReadStream(source), createGunzip(), createWriteStream(plain), context);
    checkDisk(plain, source);
    const out = await createGzipFile(target);
    try {
      for await (const chunk of createReadStream(plain, { highWaterMark: MiB })) {
        checkAborted(context.signal);
        await out.write(chunk as Buffer);
      }
      await out.finish();
    } finally {
      await out.close();
    }
  } catch (error) {
    checkAborted(context.signal);
    throw isErrno(error, "Z_BUF_ERROR", "Z_DATA_ERROR") ? damaged(source, error) : error;
  } finally {
    if (plain !== source) rmSync(plain, { force: true });
  }
}

/** What lies upon another file would lose that one. */
function checkDisk(path: string, shown: string): void {
  const disk = openDisk(path, { backing: "refuse" });
  try {
    if (hasBootSignature(disk.device)) return;
  } finally {
    disk.close();
  }
  throw new CapstanError(`${shown} is not a bootable disk: its first sector does not end in 55 AA`, {
    code: "image-not-bootable",
    hint: "Add a package (NAME.mpm), or a whole disk image (raw or qcow2) such as OSv's loader.img.",
  });
}

async function isGzip(path: string): Promise<boolean> {
  const start = firstBytes(path, 2);
  // RFC 1952, 2.3.1: ID1 and ID2.
  return start[0] === 0x1f && start[1] === 0x8b;
}

function checkKernel(path: string): void {
  if (firstBytes(path, 4).toString("latin1") === "\x7fELF") return;
  throw new CapstanError(`${path} is not a kernel: it is no ELF file`, {
    code: "kernel-not-elf",
    hint: "Name the kernel ELF of the same build: osv-loader.elf of a release, or loader-stripped.elf of an OSv build.",
  });
}

function firstBytes(path: string, count: number): Buffer {
  const bytes = Buffer.alloc(count);
  doing(`Reading ${path}`, () => {
    const file = openSync(path, "r");
    try {
      readSync(file, bytes, 0, count, 0);
    } finally {
      closeSync(file);
    }
  });
  return bytes;
}

function damaged(path: string, cause: unknown): CapstanError {
  return new CapstanError(`${path} is damaged: its compressed data cannot be read`, {
    code: "archive-damaged",
    hint: "Get it again.",
    cause,
  });
}
