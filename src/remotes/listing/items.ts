import type { PackageManifest } from "../../project/manifest.ts";
import type { ImageMeta } from "../../store/image-index.ts";
import type { RemoteImage, RemotePackage } from "../remote.ts";
import type { ImageFiles, PackagePair } from "./offers.ts";

interface Origin {
  readonly remote: string;
  readonly release: string | undefined;
}

/** `manifest` is undefined without details, and where it cannot be read. */
export function remotePackage(pair: PackagePair, manifest: PackageManifest | undefined, origin: Origin): RemotePackage {
  return {
    ...origin,
    name: pair.name,
    arch: pair.arch,
    version: manifest?.version,
    created: manifest?.created,
    platform: manifest?.platform,
    title: manifest?.title,
    require: manifest?.require ?? [],
    manifest: pair.manifest.file,
    archive: pair.archive.file,
  };
}

export function remoteImage(files: ImageFiles, meta: ImageMeta | undefined, origin: Origin): RemoteImage {
  return {
    ...origin,
    name: files.name,
    arch: files.arch,
    version: meta?.version,
    created: meta?.created,
    platform: meta?.platform,
    description: meta?.description,
    disk: files.disk.file,
    kernel: files.kernel?.file,
    index: files.index?.file,
  };
}
