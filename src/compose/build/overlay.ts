import { existsSync, statSync } from "node:fs";
import { resolve } from "node:path";
import type { FileTree, TreeEntry } from "../../filesystems/filetree.ts";
import { type FollowLinks, treeFromHost } from "../../filesystems/host-tree.ts";
import { quotePath } from "../../filesystems/names.ts";
import { type InsertOptions, insert } from "../../filesystems/tree-builder.ts";
import { type CapstanfileLayer, DEFAULT_ROOTFS } from "../../project/capstanfile.ts";
import type { Context } from "../../support/context.ts";
import { CapstanError, ExitCode } from "../../support/errors.ts";
import { hostPath } from "../../support/host-paths.ts";
import { Failures } from "../../support/join-errors.ts";
import { type FoundSource, findSources } from "./sources.ts";

export interface LayerOptions extends InsertOptions {
  readonly followLinks: FollowLinks;
}

/**
 * Lays the folder and the files of a Capstanfile over a tree. What lies at one target twice: the later one counts.
 * Errors: CapstanError `no-such-file`, `two-files`, `tree-conflict`, those of all lines at once; `os-…`, `unsupported-file-type`.
 */
export async function addLayer(
  tree: FileTree,
  layer: CapstanfileLayer,
  options: LayerOptions,
  context: Context,
): Promise<void> {
  const { signal } = context;
  const failures = new Failures(({ code }) => OF_ONE_LINE.has(code));
  const rootfs = failures.try(() => rootfsOf(layer));
  if (rootfs !== undefined) {
    const { followLinks } = options;
    insert(tree, "/", await treeFromHost(rootfs, { origin: rootfs, followLinks, signal }), options);
  }
  const files = new Map<string, string>();
  for (const mapping of layer.files) {
    const { where } = mapping;
    for (const source of failures.try(() => findSources(mapping, layer.dir, signal)) ?? []) {
      failures.try(() => checkFree(source, { files, where }));
      const entry = await entryOf(source, { where, options, context });
      const place = source.target.endsWith("/") ? source.target.slice(0, -1) : source.target;
      if (entry !== undefined) failures.try(() => insertPlaced(tree, place, entry, options));
    }
  }
  failures.check();
}

/** What is wrong with one line of a Capstanfile says nothing of the others. */
const OF_ONE_LINE: ReadonlySet<string> = new Set(["no-such-file", "two-files", "tree-conflict"]);

/** The folder that becomes the root: the one that is named, which has to be there, or the default one where it is there. */
function rootfsOf({ rootfs, dir }: CapstanfileLayer): string | undefined {
  const path = resolve(dir, rootfs?.text ?? DEFAULT_ROOTFS);
  if (statSync(hostPath(path), { throwIfNoEntry: false })?.isDirectory() === true) return path;
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
  if (statSync(hostPath(path), { throwIfNoEntry: false })?.isDirectory() === true) return;
  const before = files.get(target);
  files.set(target, path);
  if (before === undefined || before === path) return;
  throw new CapstanError(`${where}: both ${quotePath(before)} and ${quotePath(path)} go to ${quotePath(target)}`, {
    code: "two-files",
    hint: `Write '${target}/' to put them into a folder, or leave one of them out.`,
  });
}

interface Adding {
  readonly where: string;
  readonly options: LayerOptions;
  readonly context: Context;
}

async function entryOf({ path }: FoundSource, { where, options, context }: Adding): Promise<TreeEntry | undefined> {
  const { followLinks } = options;
  // A link that wildcards find and that leads nowhere here may lead somewhere in the image.
  const followRootLink = existsSync(hostPath(path));
  const found = await treeFromHost(path, { origin: where, followLinks, followRootLink, signal: context.signal });
  const isFolder = statSync(hostPath(path), { throwIfNoEntry: false })?.isDirectory() === true;
  return isFolder ? found : [...found.children.values()][0];
}

/** As `insert`, for what a user has placed: a file over a directory is rather a slash that is missing. */
export function insertPlaced(tree: FileTree, target: string, entry: TreeEntry, options: InsertOptions): void {
  try {
    insert(tree, target, entry, options);
  } catch (error) {
    if (!(error instanceof CapstanError) || error.code !== "tree-conflict") throw error;
    const { message, code, exitCode } = error;
    const hint = "To put a file into a directory, write the place with a slash at its end: '/usr/bin/'.";
    throw new CapstanError(message, { code, exitCode, hint, cause: error });
  }
}
