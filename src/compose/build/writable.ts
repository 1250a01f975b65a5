import { readWhole } from "../../filesystems/file-space.ts";
import type { FileTree } from "../../filesystems/filetree.ts";
import { insert } from "../../filesystems/tree-builder.ts";
import { treeSpace } from "../../filesystems/tree-space.ts";
import { fstab } from "../merge.ts";
import type { ProgramContent } from "../program.ts";
import type { RootFilesystem } from "../root-filesystem.ts";

export interface MakeWritable {
  /** The whole image, whose mount table is gone on with. */
  readonly tree: FileTree;
  readonly root: RootFilesystem;
  readonly program: Pick<ProgramContent, "writable">;
}

/** Makes the directories that a program writes to, and mounts memory on them where the root cannot be written to. */
export function makeWritable(target: FileTree, { tree, root, program }: MakeWritable): void {
  const { writable } = program;
  if (writable.length === 0) return;
  const origin = "directories that the program writes to";
  for (const path of writable) {
    insert(target, path, { type: "directory", mode: 0o777, mtime: 0, origin, children: new Map() });
  }
  if (root.kind !== "rofs") return;
  const table = treeSpace(tree, "the image").find("/etc/fstab");
  const lines = (table === undefined ? fstab([]) : readWhole(table).toString("utf8"))
    .split("\n")
    .filter((line) => line !== "");
  const mounted = new Set(lines.map((line) => line.split(/\s+/)[1]));
  for (const path of writable) if (!mounted.has(path)) lines.push(`none ${path} ramfs defaults 0 0`);
  const bytes = Buffer.from(`${lines.join("\n")}\n`);
  const content = { kind: "bytes", bytes } as const;
  insert(target, "/etc/fstab", { type: "file", mode: 0o644, mtime: 0, origin, size: bytes.length, content });
}
