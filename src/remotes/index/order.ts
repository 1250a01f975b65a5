import { compareVersions } from "../../project/versions.ts";
import type { IndexedImage, IndexedPackage } from "./schema.ts";

/** By code units: the same on every machine. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** By name, and of each name the newest version first: the order in which a remote lists. */
export function newestFirst(a: IndexedPackage | IndexedImage, b: IndexedPackage | IndexedImage): number {
  return (
    compareText(a.name, b.name) ||
    compareVersions(b.version ?? "", a.version ?? "") ||
    compareText(a.arch ?? "", b.arch ?? "")
  );
}
