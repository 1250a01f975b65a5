import { relativeUrl } from "../../remotes/index/relative-path.ts";
import type { IndexedFile, IndexedImage, IndexedPackage, RepositoryIndex } from "../../remotes/index/schema.ts";

/** The one release that stands for the repository, as GitHub's REST API shows releases. */
export const RELEASE_TAG = "local";

export interface Release {
  readonly id: number;
  readonly name: string;
  readonly tag_name: string;
  readonly draft: boolean;
  readonly prerelease: boolean;
  readonly created_at: string;
  readonly published_at: string;
  readonly html_url: string;
  readonly assets: readonly Asset[];
}

export interface Asset {
  readonly id: number;
  readonly name: string;
  readonly state: "uploaded";
  readonly content_type: string;
  readonly size: number;
  readonly digest: string | null;
  readonly created_at: string;
  readonly updated_at: string;
  readonly browser_download_url: string;
}

/**
 * What clients of GitHub releases know: NAME.mpm and NAME.yaml, NAME.qemu.ARCH[.gz], NAME.elf.ARCH[.gz], and the
 * index.yaml of the loader. Names are flat, and each is there once: an image without a namespace comes before one with,
 * and of several versions the newest is it, which is the one at the plain name.
 */
export function releaseOf(index: RepositoryIndex, base: string): Release {
  const assets = new Map<string, IndexedFile>();
  const add = (name: string, file: IndexedFile | undefined) => {
    if (file !== undefined && !assets.has(name)) assets.set(name, file);
  };
  for (const item of index.packages.filter(isPlain)) {
    add(fileName(item.archive.path), item.archive);
    add(`${item.name}.yaml`, item.manifest);
  }
  const images = [...index.images.filter(isPlainImage)].sort((a, b) => depth(a) - depth(b));
  for (const { name, arch = "x86_64", disk, kernel } of images) {
    const base = fileName(name);
    add(`${base}.qemu.${arch}${disk.gzip ? ".gz" : ""}`, disk);
    add(`${base}.elf.${arch}${kernel?.gzip === true ? ".gz" : ""}`, kernel);
  }
  add("index.yaml", images.find(({ name }) => fileName(name) === "osv-loader")?.index);
  return {
    id: 1,
    name: RELEASE_TAG,
    tag_name: RELEASE_TAG,
    draft: false,
    prerelease: false,
    created_at: index.generated,
    published_at: index.generated,
    html_url: base,
    assets: [...assets].map(([name, file], position) => assetOf(name, file, { id: position + 1, index, base })),
  };
}

function assetOf(
  name: string,
  { path, size, sha256 }: IndexedFile,
  { id, index, base }: { readonly id: number; readonly index: RepositoryIndex; readonly base: string },
): Asset {
  return {
    id,
    name,
    state: "uploaded",
    content_type: "application/octet-stream",
    size,
    digest: sha256 === undefined ? null : `sha256:${sha256}`,
    created_at: index.generated,
    updated_at: index.generated,
    browser_download_url: `${base}${relativeUrl(path)}`,
  };
}

function isPlain({ name, archive }: IndexedPackage): boolean {
  return fileName(archive.path).startsWith(`${name}.mpm`);
}

function isPlainImage({ name, disk }: IndexedImage): boolean {
  return disk.path.startsWith(`${name}/`);
}

function depth({ name }: IndexedImage): number {
  return name.split("/").length;
}

function fileName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
