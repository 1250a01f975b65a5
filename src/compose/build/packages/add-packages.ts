import { join } from "node:path";
import type { Closable } from "../../../disks/block-device.ts";
import type { FileTree } from "../../../filesystems/filetree.ts";
import { type InsertOptions, insert } from "../../../filesystems/tree-builder.ts";
import { walk } from "../../../filesystems/tree-walk.ts";
import type { CapstanfileLayer, PackageEntry } from "../../../project/capstanfile.ts";
import type { Layout } from "../../../store/layout.ts";
import type { Context } from "../../../support/context.ts";
import { packageFile } from "./fetch.ts";
import { debControl, openPackage } from "./open-package.ts";
import { siblingPackages } from "./siblings.ts";

export interface PackagesRequest extends InsertOptions {
  readonly layer: CapstanfileLayer;
  readonly layout: Layout;
  /** What has to stay open until the image is written: is added to. */
  readonly opened: Closable[];
}

/** Lays the files of a Capstanfile's packages over a tree. Returns the paths of these files, links and directories left out. */
export async function addPackages(
  tree: FileTree,
  { layer, layout, opened, onReplace }: PackagesRequest,
  context: Context,
): Promise<readonly string[]> {
  const cacheFolder = join(layout.root, "cache", "distributions");
  const files: string[] = [];
  const pending = [...layer.packages];
  const known = new Set<string>();
  for (let entry = pending.shift(); entry !== undefined; entry = pending.shift()) {
    const origin = `${entry.source.kind}:${entry.source.name}`;
    if (known.has(origin)) continue;
    known.add(origin);
    const path = await packageFile(entry, { dir: layer.dir, cacheFolder }, context);
    const options = { kind: entry.source.kind, origin, cacheFolder };
    const opening = await openPackage(path, options, context);
    opened.push(opening);
    insert(tree, "/", { ...opening.tree, implied: true }, { onReplace });
    for (const { path: file, entry: one } of walk(opening.tree)) if (one.type === "file") files.push(file);
    context.reporter.report({ kind: "detail", text: `Package ${origin}: ${path}` });
    if (entry.source.kind === "deb") pending.push(...(await siblingsOf(entry, path, { options, context })));
  }
  return files;
}

interface Siblings {
  readonly options: Parameters<typeof debControl>[1];
  readonly context: Context;
}

/** Only of packages that come from the distribution: a file of the user's own has its siblings nowhere else. */
async function siblingsOf(
  entry: PackageEntry,
  path: string,
  { options, context }: Siblings,
): Promise<readonly PackageEntry[]> {
  if (entry.source.path !== undefined) return [];
  const siblings = siblingPackages(await debControl(path, options, context));
  return siblings.map((name) => ({ source: { kind: "deb", name, path: undefined }, where: entry.where }));
}
