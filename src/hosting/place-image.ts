import { existsSync, mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { type ImageMeta, readImageIndex } from "../store/image-index.ts";
import { checkImageName, type ImageName } from "../store/names.ts";
import { temporaryBeside } from "../support/atomic.ts";
import type { Context } from "../support/context.ts";
import { doing } from "../support/errors.ts";
import { hashFile } from "../support/hash-file.ts";
import type { Add } from "./add-package.ts";
import type { Added } from "./add-to-repository.ts";
import { otherContent, placeOf, versionedName } from "./places.ts";
import { whileLocked } from "./repository.ts";

export interface ComingImage {
  /** `[NS/]NAME` */
  readonly name: string;
  readonly meta: ImageMeta;
  /** The name of the disk among the files: `NAME.qemu[.ARCH][.gz]`. */
  readonly disk: string;
}

/** The files of an image are made in a folder of their own, and come into their place by renames, the disk last. */
export async function stageImage(
  coming: ComingImage,
  add: Add,
  { fill, context }: { readonly fill: (stage: string) => Promise<void>; readonly context: Context },
): Promise<Added> {
  const name = checkImageName(coming.name);
  const folder = join(add.repository.root, ...name.full.split("/"));
  const stage = temporaryBeside(folder);
  try {
    doing(`Making ${stage}`, () => mkdirSync(stage, { recursive: true }));
    await fill(stage);
    return await whileLocked(add.repository, context, () => place({ ...coming, name, folder, stage }, add, context));
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}

interface Staged {
  readonly name: ImageName;
  readonly meta: ImageMeta;
  readonly disk: string;
  readonly folder: string;
  readonly stage: string;
}

async function place({ name, meta, disk, folder, stage }: Staged, add: Add, context: Context): Promise<Added> {
  const { full, base } = name;
  const before = existsSync(folder) ? { version: readImageIndex(join(folder, "index.yaml")).version } : undefined;
  const { version } = meta;
  const where = placeOf({ before, version });
  if (where === "newer" && before?.version !== undefined) {
    moveFiles(folder, join(dirname(folder), versionedName(base, before.version)), base);
  }
  const isOlder = where === "older" && version !== undefined;
  const target = isOlder ? join(dirname(folder), versionedName(base, version)) : folder;
  const path = `${isOlder ? versionedName(full, version) : full}/${disk}`;
  const added = { kind: "image", name: full, version: version ?? null, path } as const;
  const there = sameDisk(target, disk);
  if (there !== undefined) {
    if (there === disk && (await isSameFile(join(target, disk), join(stage, disk), context))) {
      return { ...added, changed: false };
    }
    if (!add.replace) throw otherContent("image", full, version);
    rmSync(join(target, there));
  }
  moveFiles(stage, target, base);
  return { ...added, changed: true };
}

/** File by file: below the folder of an image there may be others of its namespace. */
function moveFiles(from: string, to: string, base: string): void {
  mkdirSync(to, { recursive: true });
  const isDisk = (file: string) => Number(file.includes(".qemu"));
  const files = [...imageFiles(from, base)].sort((a, b) => isDisk(a) - isDisk(b));
  for (const file of files) renameSync(join(from, file), join(to, file));
}

function imageFiles(folder: string, base: string): readonly string[] {
  const arches = ["", ".x86_64", ".aarch64"];
  const names = arches.flatMap((arch) => [".qemu", ".elf"].map((kind) => `${base}${kind}${arch}`));
  const all = [...names, ...names.map((name) => `${name}.gz`), "index.yaml"];
  return all.filter((name) => existsSync(join(folder, name)));
}

/** The disk of the same architecture, compressed or not. */
function sameDisk(folder: string, disk: string): string | undefined {
  const plain = disk.replace(/\.gz$/, "");
  return [`${plain}.gz`, plain].find((name) => existsSync(join(folder, name)));
}

async function isSameFile(a: string, b: string, { signal }: Context): Promise<boolean> {
  if (statSync(a).size !== statSync(b).size) return false;
  return (await hashFile(a, signal)) === (await hashFile(b, signal));
}
