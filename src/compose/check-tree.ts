import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Finding } from "../check/finding.ts";
import { createRaw, openRaw } from "../disks/raw.ts";
import type { FileTree } from "../filesystems/filetree.ts";
import { openRofs } from "../filesystems/rofs/reader.ts";
import { planRofs, writeRofs } from "../filesystems/rofs/writer.ts";
import { treeSpace } from "../filesystems/tree-space.ts";
import type { Loader } from "../store/loaders.ts";
import type { Context } from "../support/context.ts";
import { doing } from "../support/errors.ts";
import { checkTree, hasExtents } from "./check-image.ts";

export interface StreamedTree {
  readonly tree: FileTree;
  readonly commandLine: string;
  readonly loader: Loader;
  /** Has room for a temporary file. */
  readonly folder: string;
}

/** Checks a tree of which parts may lie in packed archives: it is then written out for a moment, as it would be composed. */
export async function checkStreamedTree(request: StreamedTree, context: Context): Promise<readonly Finding[]> {
  const { tree, commandLine, loader } = request;
  const check = (content: FileTree) =>
    checkTree({ tree, commandLine, loader, hasModes: true, space: treeSpace(content, "the image"), env: context.env });
  if (!hasExtents(tree)) return check(tree);
  mkdirSync(request.folder, { recursive: true });
  const folder = doing(`Making a folder in ${request.folder}`, () => mkdtempSync(join(request.folder, ".check-")));
  try {
    const path = join(folder, "root.rofs");
    const plan = planRofs(tree);
    const disk = createRaw(path, { size: plan.size });
    try {
      await writeRofs(plan, disk, context);
    } finally {
      disk.close();
    }
    const written = openRaw(path);
    try {
      return check(openRofs(written).tree);
    } finally {
      written.close();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
