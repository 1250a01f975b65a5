import { statSync } from "node:fs";
import { resolve } from "node:path";
import type { FileTree, TreeEntry } from "../../filesystems/filetree.ts";
import { type FollowLinks, treeFromHost } from "../../filesystems/host-tree.ts";
import { quotePath } from "../../filesystems/names.ts";
import { type InsertOptions, insert } from "../../filesystems/tree-builder.ts";
import { type CapstanfileLayer, DEFAULT_ROOTFS } from "../../project/capstanfile.ts";
import type { Context } from "../../support/context.ts";
import { CapstanError, ExitCode } from "../../support/errors.ts";
import { type FoundSource, findSources } from "./sources.ts";

export interface LayerOptions extends InsertOptions {
  readonly followLinks: FollowLinks;
}

/** Lays the folder and the files of a Capstanfile over a tree. What lies at one target twice: the later one counts. */
export async function addLayer(
  tree: FileTree,
  layer: CapstanfileLayer,
  options: LayerOptions,
  context: Context,
): Promise<void> {
  const { signal } = context;
  const rootfs = rootfsOf(layer);
  if (rootfs !== undefined) {
    const { followLinks } = options;
    insert(tree, "/", await treeFromHost(rootfs, { origin: rootfs, followLinks, signal }), options);
  }
  const files = new Map<string, string>();
  for (const mapping of layer.files) {
    for (const source of findSources(mapping, layer.dir, signal)) {
      checkFree(source, { files, where: mapping.where });
      await addSource(tree, source, { layer, options, context });
    }
  }
}

/** The folder that becomes the root: the one that is named, which has to be there, or the default one where it is there. */
function rootfsOf({ rootfs, dir }: CapstanfileLayer): string | undefined {
  const path = resolve(dir, rootfs?.text ?? DEFAULT_ROOTFS);
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return path;
  if (rootfs === undefined) return undefined;
  throw new CapstanError(`${rootfs.where}: there is no folder ${quotePath(path)}`, {
    code: "no-such-file",
    hint: "Check the path: it starts in the folder of the Capstanfile. What 'build' makes is there only after it ran.",
    exitCode: ExitCode.noInput,
  });
}

/** One file over another of the same Capstanfile is rather a slash that is missing. */
function checkFree(
  { path, target }: FoundSource,
  { files, where }: { files: Map<string, string>; where: string },
): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return;
  const before = files.get(target);
  files.set(target, path);
  if (before === undefined || before === path) return;
  throw new CapstanError(`${where}: both ${quotePath(before)} and ${quotePath(path)} go to ${quotePath(target)}`, {
    code: "two-files",
    hint: `Write '${target}/' to put them into a folder, or leave one of them out.`,
  });
}

interface Adding {
  readonly layer: CapstanfileLayer;
  readonly options: LayerOptions;
  readonly context: Context;
}

async function addSource(
  tree: FileTree,
  { path, target }: FoundSource,
  { layer, options, context }: Adding,
): Promise<void> {
  const { followLinks } = options;
  const found = await treeFromHost(path, { origin: layer.name, followLinks, signal: context.signal });
  const place = target.endsWith("/") ? target.slice(0, -1) : target;
  const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  const entry: TreeEntry | undefined = isFolder ? found : [...found.children.values()][0];
  if (entry !== undefined) insert(tree, place, entry, options);
}
