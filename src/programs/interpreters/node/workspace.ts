import { posix } from "node:path";
import { type FileSpace, readWhole } from "../../../filesystems/file-space.ts";
import { MiB } from "../../../support/bytes.ts";
import { isRecord } from "../../../support/records.ts";
import { isWithin } from "../survey.ts";
import { modulesFolder } from "./modules.ts";

/**
 * Packages that a project of a workspace has from the folders above it, by their names: those that are asked for, those that
 * its package.json depends on, and theirs in turn. Of two versions the one that is met first. Paths are of the space.
 */
export function packagesAbove(
  project: string,
  { names, space }: { readonly names: readonly string[]; readonly space: FileSpace },
): ReadonlyMap<string, string> {
  const packages = new Map<string, string>();
  const root = space.find(project)?.realPath ?? project;
  const pending = [...names, ...dependenciesOf(project, space)].map((name) => ({ name, from: project }));
  for (let next = pending.shift(); next !== undefined && packages.size < MOST; next = pending.shift()) {
    const { name, from } = next;
    const folder = packages.has(name) ? undefined : modulesFolder(name, from, space);
    if (folder === undefined) continue;
    const path = posix.join(folder, name);
    const real = space.find(path)?.realPath ?? path;
    // The project itself may be a package of the workspace, and what lies below it comes with it.
    if (isWithin(path, project) || isWithin(real, root)) continue;
    // What lies within a package that is taken comes with that one.
    if (![...packages.values()].some((taken) => isWithin(path, taken))) packages.set(name, path);
    pending.push(...dependenciesOf(real, space).map((one) => ({ name: one, from: real })));
  }
  return packages;
}

function dependenciesOf(folder: string, space: FileSpace): string[] {
  const found = space.find(posix.join(folder, "package.json"));
  if (found?.type !== "file" || found.size > LARGEST) return [];
  const json = parse(
    readWhole(found)
      .toString("utf8")
      .replace(/^\ufeff/, ""),
  );
  if (!isRecord(json)) return [];
  const lists = [json.dependencies, json.optionalDependencies, json.peerDependencies];
  return lists.flatMap((list) => (isRecord(list) ? Object.keys(list) : [])).filter((name) => NAME.test(name));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Whoever loads the package is told; here it has no dependencies.
    return undefined;
  }
}

const MOST = 10_000;
const LARGEST = 4 * MiB;
const NAME = /^(?:@[\w~-][\w.~-]*\/)?[\w~-][\w.~-]*$/;
