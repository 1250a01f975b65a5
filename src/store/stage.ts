import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { temporaryBeside } from "../support/atomic.ts";
import { doing, isErrno } from "../support/errors.ts";
import { copyToNew } from "./copy.ts";
import { formatImageIndex, type ImageMeta } from "./image-index.ts";
import { type ImagePaths, imagePaths, type Layout, lockPath } from "./layout.ts";
import { withLock } from "./lock.ts";
import { checkImageName, type ImageName } from "./names.ts";
import { readFileNames, sweepTemporaries } from "./temporaries.ts";

/** Of the ELF of an image's kernel, for booting it without the disk's boot sector. */
export const KERNEL_SUFFIX = ".elf";

/** A file that goes with an image, such as the kernel that it boots. */
export interface Companion {
  /** Put behind the name of the image: `.elf`. */
  readonly suffix: string;
  /** What is copied; what lies beside the staged image is moved. */
  readonly path: string;
}

/** An image on its way into the store. Until `commit` nobody sees it, and the previous image of its name stays. */
export interface ImageStage {
  /** Where the image is to be written: a path on the store's disk where there is nothing yet. */
  readonly temporaryPath: string;
  /** Makes the image that lies at `temporaryPath` the one of its name; returns its path in the store. */
  commit(meta: ImageMeta, companions?: readonly Companion[]): Promise<string>;
  /** Leaves no trace. After `commit`, or a second time, it does nothing. */
  abort(): void;
}

export interface StageOptions {
  readonly now: Date;
  readonly signal?: AbortSignal | undefined;
}

export function stageImage(layout: Layout, name: string, options: StageOptions): ImageStage {
  const checked = checkImageName(name);
  const paths = imagePaths(layout, checked);
  const folder = doing(`Creating ${paths.folder}`, () => createStageFolder(paths, options.now));
  const staged = join(folder, basename(paths.image));
  return {
    temporaryPath: staged,
    async commit(meta, companions = []) {
      await doing(`Storing ${paths.image}`, async () => {
        syncFile(staged);
        const index = join(folder, basename(paths.index));
        writeFileSync(index, formatImageIndex(meta));
        syncFile(index);
        const copies: Move[] = [];
        for (const { suffix, path } of companions) {
          const copy = join(folder, `${checked.base}${suffix}`);
          // What was made for this image lies on this disk already, and is sound or of no use: it need not be waited for.
          if (dirname(path) === folder) renameSync(path, copy);
          else await copyToNew(path, copy, { signal: options.signal });
          copies.push({ from: copy, to: join(paths.folder, basename(copy)) });
        }
        const moves = { index: { from: index, to: paths.index }, image: { from: staged, to: paths.image }, copies };
        await withLock(lockPath(layout, "image", checked.full), () => publish(checked, moves), options.signal);
      });
      rmSync(folder, { recursive: true, force: true });
      return paths.image;
    },
    abort() {
      rmSync(folder, { recursive: true, force: true });
      removeEmptyFolders(layout, paths.folder);
    },
  };
}

/** Removes the folder of an image that has none, and that of its namespace, where nothing else is in them. */
export function removeEmptyFolders(layout: Layout, folder: string): void {
  try {
    for (let path = folder; path !== layout.repository; path = join(path, "..")) rmdirSync(path);
  } catch (error) {
    if (!isErrno(error, "ENOTEMPTY", "EEXIST", "ENOENT", "ENOTDIR", "EBUSY", "EACCES", "EPERM")) throw error;
  }
}

/** The names of files that describe one image and would be wrong beside another: kernels, records, and the original's hashes. */
export function isCompanion(file: string, { base }: ImageName): boolean {
  if (!file.startsWith(`${base}.`)) return false;
  return /^\.(elf(\..+)?|files|sources|qemu\.cache)$/.test(file.slice(base.length));
}

interface Move {
  readonly from: string;
  readonly to: string;
}

interface Publication {
  readonly index: Move;
  readonly image: Move;
  readonly copies: readonly Move[];
}

/**
 * Renames only. An image is never seen with the kernel of another: those of the old one go first, those of the new one
 * come last, and an image without a kernel beside it boots from its disk. A new image appears after all that is its own.
 */
function publish(name: ImageName, { index, image, copies }: Publication): void {
  const folder = join(image.to, "..");
  for (const file of readFileNames(folder)) if (isCompanion(file, name)) rmSync(join(folder, file));
  const moves = existsSync(image.to) ? [index, image, ...copies] : [...copies, index, image];
  for (const { from, to } of moves) renameSync(from, to);
}

/** A folder of our own inside the image's: the rename stays on one disk, and all of it goes with one removal. */
function createStageFolder(paths: ImagePaths, now: Date): string {
  const path = temporaryBeside(paths.image);
  for (let attempt = 1; ; attempt++) {
    try {
      mkdirSync(path, { recursive: true });
      sweepTemporaries(paths.folder, now);
      return path;
    } catch (error) {
      // Another process that gave up its image may have removed the empty folder in between.
      if (attempt === 10 || !isErrno(error, "ENOENT")) throw error;
    }
  }
}

function syncFile(path: string): void {
  const file = openSync(path, "r");
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
