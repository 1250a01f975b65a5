import { compareText } from "./order.ts";
import { relativeUrl } from "./relative-path.ts";
import {
  INDEX_SCHEMA,
  type IndexedFile,
  type IndexedImage,
  type IndexedPackage,
  type RepositoryIndex,
} from "./schema.ts";

/**
 * The text of an index.json: the same index gives the same bytes, whatever the order in which things were found.
 * Each package and each image is a line of its own, so that two indexes can be compared with diff.
 */
export function formatIndex(index: RepositoryIndex): string {
  const packages = [...index.packages].sort(byIdentity).map(packageValue);
  const images = [...index.images].sort(byIdentity).map(imageValue);
  return [
    "{",
    `"schema": ${INDEX_SCHEMA},`,
    `"generated": ${JSON.stringify(index.generated)},`,
    `"packages": ${list(packages)},`,
    `"images": ${list(images)}`,
    "}",
    "",
  ].join("\n");
}

function list(values: readonly object[]): string {
  return values.length === 0 ? "[]" : `[\n${values.map((value) => JSON.stringify(value)).join(",\n")}\n]`;
}

function byIdentity(a: IndexedPackage | IndexedImage, b: IndexedPackage | IndexedImage): number {
  return (
    compareText(a.name, b.name) ||
    compareText(a.version ?? "", b.version ?? "") ||
    compareText(a.arch ?? "", b.arch ?? "")
  );
}

function packageValue(item: IndexedPackage): object {
  const { name, version, arch, title, author, created, platform, require } = item;
  const manifest = fileValue(item.manifest);
  return { name, version, arch, title, author, created, platform, require, ...fileValue(item.archive), manifest };
}

function imageValue(item: IndexedImage): object {
  const { name, version, arch, description, created, platform, disk, kernel, index } = item;
  const files = { disk: fileValue(disk), kernel: fileValue(kernel), index: fileValue(index) };
  return { name, version, arch, description, created, platform, ...files };
}

function fileValue(file: IndexedFile | undefined): object | undefined {
  if (file === undefined) return undefined;
  return { url: relativeUrl(file.path), size: file.size, sha256: file.sha256, gzip: file.gzip ? true : undefined };
}
