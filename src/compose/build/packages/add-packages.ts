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
import { neededPackages, siblingPackages } from "./siblings.ts";

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
    const control = entry.source.kind === "deb" ? await debControl(path, options, context) : "";
    const siblings = siblingsOf(entry, control);
    if (siblings.length === 0 && isOnlyDocumentation(opening.tree)) tellEmpty(entry, control, context);
    pending.push(...siblings);
  }
  return files;
}

/** Only of packages that come from the distribution: a file of the user's own has its siblings nowhere else. */
function siblingsOf(entry: PackageEntry, control: string): readonly PackageEntry[] {
  if (entry.source.path !== undefined) return [];
  return siblingPackages(control).map((name) => ({
    source: { kind: "deb", name, path: undefined },
    where: entry.where,
  }));
}

function isOnlyDocumentation(tree: FileTree): boolean {
  return ![...walk(tree)].some(({ path, entry }) => entry.type !== "directory" && !/^\/?usr\/share\/doc\//.test(path));
}

/** Distributions have packages that only bring others with them. */
function tellEmpty({ source, where }: PackageEntry, control: string, { reporter }: Context): void {
  const others = [...new Set(neededPackages(control))].map((name) => `${source.kind}:${name}`);
  reporter.report({
    kind: "warning",
    text: `${where}: the package ${source.kind}:${source.name} has no files of its own.`,
    hint:
      others.length === 0 ? "Name the packages that it stands for." : `Name what it stands for: ${others.join(", ")}`,
  });
}
