import type { FileTree } from "../../src/filesystems/filetree.ts";
import { createTree, insert } from "../../src/filesystems/tree-builder.ts";

/** A tree of texts by their paths; a value that begins with `-> ` is a link. */
export function treeOf(files: Readonly<Record<string, string | Uint8Array>>, mode = 0o644): FileTree {
  const tree = createTree();
  for (const [path, value] of Object.entries(files)) {
    const common = { mode, mtime: 0, origin: "test" };
    if (typeof value === "string" && value.startsWith("-> ")) {
      insert(tree, path, { ...common, type: "symlink", target: value.slice(3) });
      continue;
    }
    const bytes = Buffer.from(value);
    insert(tree, path, { ...common, type: "file", size: bytes.length, content: { kind: "bytes", bytes } });
  }
  return tree;
}
