import type { TreeEntry } from "../filesystems/filetree.ts";
import type { Source, SourceOf } from "./file-sources.ts";

/** A file or folder with all that is in it; sizes in bytes. The largest come first. */
export interface SizeNode {
  readonly name: string;
  readonly path: string;
  readonly type: TreeEntry["type"];
  readonly size: number;
  /** Files in it. */
  readonly files: number;
  readonly children: readonly SizeNode[];
}

export interface SourceSize {
  readonly kind: Source["kind"];
  readonly name: string;
  readonly version: string | undefined;
  readonly size: number;
  readonly files: number;
}

/** The sizes below a folder, or of one file. A file with several names counts once, at the first of them. */
export function measureSizes(entry: TreeEntry, path: string): SizeNode {
  const seen = new Set<string>();
  const measure = (one: TreeEntry, name: string, place: string): SizeNode => {
    if (one.type !== "directory") {
      const counts = one.type === "file" && isFirst(one.hardLink, seen);
      return { name, path: place, type: one.type, size: counts ? one.size : 0, files: counts ? 1 : 0, children: [] };
    }
    const children = [...one.children].map(([child, below]) => measure(below, child, join(place, child)));
    children.sort((a, b) => b.size - a.size || (a.name < b.name ? -1 : 1));
    return {
      ...{ name, path: place, type: one.type, children },
      size: children.reduce((sum, { size }) => sum + size, 0),
      files: children.reduce((sum, { files }) => sum + files, 0),
    };
  };
  return measure(entry, path.split("/").findLast((part) => part !== "") ?? "/", path);
}

/** The same by what brought the files, the largest first. */
export function sizesBySource(root: SizeNode, sourceOf: SourceOf): readonly SourceSize[] {
  const totals = new Map<string, SourceSize>();
  for (const node of filesBelow(root)) {
    const { kind, name, version } = sourceOf(node.path, node.size);
    const key = `${kind}\0${name}\0${version ?? ""}`;
    const before = totals.get(key);
    const size = (before?.size ?? 0) + node.size;
    totals.set(key, { kind, name, version, size, files: (before?.files ?? 0) + 1 });
  }
  return [...totals.values()].sort((a, b) => b.size - a.size || (a.name < b.name ? -1 : 1));
}

/** Of files with several names only the one that counts. */
export function* filesBelow(node: SizeNode): Generator<SizeNode, void, undefined> {
  if (node.type === "file" && node.files > 0) yield node;
  for (const child of node.children) yield* filesBelow(child);
}

function isFirst(identity: string | undefined, seen: Set<string>): boolean {
  if (identity === undefined) return true;
  if (seen.has(identity)) return false;
  seen.add(identity);
  return true;
}

function join(folder: string, name: string): string {
  return folder.endsWith("/") ? `${folder}${name}` : `${folder}/${name}`;
}
