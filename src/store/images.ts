import { lstatSync, rmSync, type Stats, statSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { formatCreated } from "../project/manifest.ts";
import { quoted } from "../project/text-file.ts";
import { CapstanError, doing, ExitCode, isErrno, withNoun } from "../support/errors.ts";
import { nearest } from "../support/suggest.ts";
import { type ImageMeta, readImageIndex } from "./image-index.ts";
import { INDEX_FILE, imagePaths, type Layout, lockPath } from "./layout.ts";
import { withLock } from "./lock.ts";
import { checkImageName, type ImageName, parseImageName } from "./names.ts";
import { isCompanion, removeEmptyFolders } from "./stage.ts";
import { readFileNames, readNames } from "./temporaries.ts";

/** The hypervisor that an image file is for, as its suffix tells. */
export type ImageKind = "qemu" | "raw" | "vbox" | "vmware" | "gce";

export interface ImageFile {
  readonly name: string;
  readonly path: string;
  readonly kind: ImageKind;
  /** Of the file, in bytes. */
  readonly size: number;
}

export interface ListedImage {
  readonly name: string;
  readonly path: string;
  readonly kind: ImageKind | undefined;
  readonly size: number | undefined;
  readonly meta: ImageMeta;
  /** Why it cannot be used, or not be described; undefined for a sound one. */
  readonly problem: string | undefined;
}

/** All images, broken ones with their reason, sorted by name. Folders without an image are no images. */
export function listImages(layout: Layout): readonly ListedImage[] {
  const images: ListedImage[] = [];
  for (const outer of visibleNames(layout.repository)) {
    const { own, nested } = readFolder(layout, outer);
    images.push(...own);
    for (const inner of nested) images.push(...readFolder(layout, `${outer}/${inner}`).own);
  }
  return images.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Errors: CapstanError `bad-image-name`, `no-such-image`, `image-broken`. */
export function findImage(layout: Layout, name: string): ImageFile {
  const checked = checkImageName(name);
  const { folder } = imagePaths(layout, checked);
  const found = locate(folder, checked);
  if (found === undefined) throw missingError(layout, name);
  const path = join(folder, found.file);
  const problem = fileProblem(path);
  if (problem === undefined) return { name, path, kind: found.kind, size: statSync(path).size };
  throw new CapstanError(`The image ${quoted(name)} is broken: ${problem}`, {
    code: "image-broken",
    hint: `Remove it with 'capstan rmi ${name}', and make or get it again.`,
  });
}

/** Deletes an image and what goes with it; other images below its folder, and files that are not of it, stay. */
export async function removeImage(layout: Layout, name: string): Promise<void> {
  const checked = checkImageName(name);
  const { folder } = imagePaths(layout, checked);
  await doing(`Removing ${folder}`, () =>
    withLock(lockPath(layout, "image", name), () => {
      const names = readFileNames(folder);
      const images = names.filter((file) => kindOf(file, checked) !== undefined);
      if (images.length === 0) throw missingError(layout, name);
      // With the image file the image is gone for everyone, whatever happens next.
      for (const file of images) unlinkSync(join(folder, file));
      for (const file of names) if (file === INDEX_FILE || isCompanion(file, checked)) rmSync(join(folder, file));
      removeEmptyFolders(layout, folder);
    }),
  );
}

/** The table's cells as in the original: what is not known of an image is `N/A`. */
export function imageCells(image: ListedImage): readonly string[] {
  const { description, version, created, platform } = image.meta;
  return [image.name, description ?? "", version ?? "", formatCreated(created), platform ?? "N/A"];
}

/** By suffix, in the order of preference; suffixes with an architecture are those of OSv's own scripts. */
const KINDS: readonly (readonly [suffix: string, kind: ImageKind])[] = [
  [".qemu", "qemu"],
  [".qemu.x86_64", "qemu"],
  [".qemu.aarch64", "qemu"],
  [".raw", "raw"],
  [".img", "raw"],
  [".vbox", "vbox"],
  [".vmw", "vmware"],
  [".vmware", "vmware"],
  [".gce", "gce"],
];

function kindOf(file: string, { base }: ImageName): ImageKind | undefined {
  return KINDS.find(([suffix]) => file === base + suffix)?.[1];
}

function locate(folder: string, name: ImageName): { readonly file: string; readonly kind: ImageKind } | undefined {
  const names = new Set(readFileNames(folder));
  for (const [suffix, kind] of KINDS) {
    const file = name.base + suffix;
    if (names.has(file)) return { file, kind };
  }
  return undefined;
}

interface Folder {
  readonly own: readonly ListedImage[];
  /** Folders in it, which can be images of a namespace. */
  readonly nested: readonly string[];
}

function readFolder(layout: Layout, path: string): Folder {
  const folder = join(layout.repository, path);
  try {
    if (!isFolder(folder)) return { own: [], nested: [] };
    const names = visibleNames(folder);
    const nested = path.includes("/") ? [] : names.filter((name) => isFolder(join(folder, name)));
    const image = readImage(layout, path, names);
    return { own: image === undefined ? [] : [image], nested };
  } catch (error) {
    return { own: [broken({ name: path, path: folder, problem: reason(error, `Reading ${folder}`) })], nested: [] };
  }
}

function readImage(layout: Layout, path: string, names: readonly string[]): ListedImage | undefined {
  const folder = join(layout.repository, path);
  const name = parseImageName(path);
  if (name === undefined) {
    const image = names.find((file) => file.endsWith(".qemu"));
    const problem = "its name is not one that commands accept; rename its folder and its files";
    return image === undefined ? undefined : broken({ name: path, path: join(folder, image), problem });
  }
  const found = locate(folder, name);
  if (found === undefined) {
    const other = names.find((file) => file.endsWith(".qemu") && !isFolder(join(folder, file)));
    const problem = `the image file has to be called ${name.base}.qemu`;
    return other === undefined ? undefined : broken({ name: path, path: join(folder, other), problem });
  }
  const file = join(folder, found.file);
  const size = statSync(file, { throwIfNoEntry: false })?.size;
  const { meta, problem } = tryIndex(join(folder, INDEX_FILE));
  return { name: path, path: file, kind: found.kind, size, meta, problem: fileProblem(file) ?? problem };
}

function tryIndex(path: string): { readonly meta: ImageMeta; readonly problem: string | undefined } {
  try {
    return { meta: readImageIndex(path), problem: undefined };
  } catch (error) {
    return { meta: {}, problem: reason(error, `Reading ${path}`) };
  }
}

function broken(image: { name: string; path: string; problem: string }): ListedImage {
  return { ...image, kind: undefined, size: undefined, meta: {} };
}

/** What shows without opening the image. */
function fileProblem(path: string): string | undefined {
  const stats = tryStat(path);
  if (stats === undefined) return `${path} is a link to nothing`;
  if (!stats.isFile()) return `${path} is not a file`;
  return stats.size === 0 ? `${path} is empty` : undefined;
}

function tryStat(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ELOOP") && lstatSync(path, { throwIfNoEntry: false }) !== undefined) return undefined;
    throw error;
  }
}

function missingError(layout: Layout, name: string): CapstanError {
  const meant = nearest(
    name,
    listImages(layout).map((image) => image.name),
  );
  return new CapstanError(`There is no image ${quoted(name)} in the local store`, {
    code: "no-such-image",
    hint:
      meant === undefined
        ? `See 'capstan images'; make it with 'capstan package compose ${name}', or put one in with 'capstan import ${name} FILE'.`
        : `Did you mean '${meant}'? 'capstan images' shows all of them.`,
    exitCode: ExitCode.noInput,
  });
}

function reason(error: unknown, doing: string): string {
  const named = withNoun(error, doing);
  if (named instanceof CapstanError) return named.message;
  throw error;
}

/** Temporary files begin with a dot, and so does nothing else that is of the store. */
function visibleNames(folder: string): string[] {
  return doing(`Reading ${folder}`, () => readNames(folder)).filter((name) => !name.startsWith("."));
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
