import { join } from "node:path";
import type { ImageName } from "./names.ts";

/**
 * Where things lie under $CAPSTAN_ROOT: the original's layout, and `cache/`, which is ours and may be deleted at any time.
 *
 *     packages/NAME.mpm, NAME.yaml
 *     repository/[NS/]NAME/NAME.qemu, index.yaml, NAME.elf, NAME.files, NAME.sources
 *     instances/
 *     origins/KIND@NAME@VERSION@ARCH.json
 *     cache/
 */
export interface Layout {
  readonly root: string;
  readonly repository: string;
  readonly packages: string;
  readonly instances: string;
  /** Indexes of packages, so that composing unpacks each only once. */
  readonly packageIndexes: string;
  readonly locks: string;
  /** What is made for programs of this machine and costs time, such as byte code. */
  readonly programs: string;
  /** Files that are being fetched: what is half there is resumed. */
  readonly downloads: string;
  /** Answers of remotes, by their addresses. */
  readonly answers: string;
  /** What was fetched under which name and version, with its digest. */
  readonly origins: string;
}

export function layoutOf(root: string): Layout {
  return {
    root,
    repository: join(root, "repository"),
    packages: join(root, "packages"),
    instances: join(root, "instances"),
    packageIndexes: join(root, "cache", "packages"),
    locks: join(root, "cache", "locks"),
    programs: join(root, "cache", "programs"),
    downloads: join(root, "cache", "downloads"),
    answers: join(root, "cache", "answers"),
    origins: join(root, "origins"),
  };
}

export interface ImagePaths {
  readonly folder: string;
  /** Where images are written; raw or qcow2, whatever the suffix says. */
  readonly image: string;
  readonly index: string;
}

export function imagePaths(layout: Layout, name: ImageName): ImagePaths {
  const folder = join(layout.repository, ...name.full.split("/"));
  return { folder, image: join(folder, `${name.base}.qemu`), index: join(folder, INDEX_FILE) };
}

export const INDEX_FILE = "index.yaml";

export interface PackagePaths {
  readonly archive: string;
  readonly manifest: string;
}

export function packagePaths(layout: Layout, name: string): PackagePaths {
  return { archive: join(layout.packages, `${name}.mpm`), manifest: join(layout.packages, `${name}.yaml`) };
}

/** '@' cannot be in a name, so that no two names share a lock. */
export function lockPath(layout: Layout, kind: "image" | "package", name: string): string {
  return join(layout.locks, `${kind}@${name.replaceAll("/", "@")}.lock`);
}
