import type { FileSpace } from "../../src/filesystems/file-space.ts";
import { treeSpace } from "../../src/filesystems/tree-space.ts";
import { type Sketch, type SketchFolder, tree } from "../filesystems/trees.ts";

/** A system in memory, of absolute paths with their contents. */
export function system(files: Readonly<Record<string, Sketch>>, name = "test"): FileSpace {
  const root: Record<string, Sketch> = {};
  for (const [path, content] of Object.entries(files)) {
    const names = path.split("/").slice(1);
    const last = names.pop() ?? "";
    let folder = root;
    for (const part of names) {
      folder[part] ??= {};
      folder = folder[part] as Record<string, Sketch>;
    }
    folder[last] = content;
  }
  return treeSpace(tree(root as SketchFolder), name);
}
