import type { IndexedFile, IndexedImage, IndexedPackage, RepositoryIndex } from "../../../src/remotes/index/schema.ts";

export const DIGEST = "ab".repeat(32);

export function indexedFile(path: string, more: Partial<IndexedFile> = {}): IndexedFile {
  return { path, size: 1234, sha256: DIGEST, gzip: false, ...more };
}

export function indexedPackage(name: string, more: Partial<IndexedPackage> = {}): IndexedPackage {
  return {
    name,
    version: undefined,
    arch: undefined,
    title: undefined,
    author: undefined,
    created: undefined,
    platform: undefined,
    require: [],
    archive: indexedFile(`packages/${name}.mpm`),
    manifest: indexedFile(`packages/${name}.yaml`),
    ...more,
  };
}

export function indexedImage(name: string, more: Partial<IndexedImage> = {}): IndexedImage {
  return {
    name,
    version: undefined,
    arch: undefined,
    description: undefined,
    created: undefined,
    platform: undefined,
    disk: indexedFile(`${name}/${name.split("/").at(-1)}.qemu.gz`, { gzip: true }),
    kernel: undefined,
    index: undefined,
    ...more,
  };
}

export function repositoryIndex(more: Partial<RepositoryIndex> = {}): RepositoryIndex {
  return { generated: "2026-11-20T09:11:00Z", packages: [], images: [], ...more };
}
