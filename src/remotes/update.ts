import { createdTime } from "../project/manifest.ts";
import { compareVersions, parseRequirement, type VersionRange } from "../project/versions.ts";
import type { Layout } from "../store/layout.ts";
import { type ListedPackage, listPackages } from "../store/packages.ts";
import type { Context } from "../support/context.ts";
import type { Pulled, PullOptions } from "./pull-file.ts";
import { pullPackages } from "./pull-packages.ts";
import type { Remote, RemotePackage } from "./remote.ts";

/** A package of the store beside what the remotes have of it. */
export interface Comparison {
  readonly name: string;
  /** Of the store; null where the manifest says none. */
  readonly version: string | null;
  /** Null where no remote has it. */
  readonly remote: { readonly name: string; readonly version: string | null; readonly release: string | null } | null;
  readonly state: "outdated" | "current" | "only-here" | "newer-here";
  /** A newer version that the remotes have, and the packages of the store that do not take it. */
  readonly held?: { readonly version: string | null; readonly by: readonly string[] };
}

export interface CompareOptions extends Pick<PullOptions, "remotes" | "arch"> {
  readonly layout: Layout;
  /** Only packages whose name contains it. */
  readonly text: string;
  /** Goes by the time of making as well: what was made earlier, or nobody knows when, is outdated. */
  readonly created: boolean;
}

/**
 * A package that is in the store alone is no error: it was imported. A version that another package of the store does not take is
 * not for an update, unless that one is outdated too: then its newer version says what it takes.
 */
export async function comparePackages(options: CompareOptions, context: Context): Promise<readonly Comparison[]> {
  const { layout, remotes, arch, text } = options;
  const stored = listPackages(layout);
  const local = stored.filter(({ name }) => name.includes(text));
  const names = local.map(({ name }) => name);
  if (names.length === 0) return [];
  const demands = demandsOf(stored);
  const everyRelease = names.some((name) => demands.has(name));
  const offered = new Map<string, readonly RemotePackage[]>();
  for (const remote of remotes) {
    const missing = names.filter((name) => !offered.has(name));
    if (missing.length === 0) break;
    const items = await remote.packages({ names: missing, details: true, arch, everyRelease }, context);
    for (const name of missing) {
      const ofName = items.filter((item) => item.name === name);
      if (ofName.length > 0) offered.set(name, bestFirst(ofName, remote));
    }
  }
  // What turns out not to be updated makes its demands: until nothing changes.
  let outdated = new Set(names);
  for (;;) {
    const compared = local.map(({ name, info }) => {
      const demanding = (demands.get(name) ?? []).filter(({ by }) => !outdated.has(by));
      const here = { name, version: info?.version, created: info?.created };
      return compare(here, { offered: offered.get(name) ?? [], demanding }, options);
    });
    const still = new Set(compared.flatMap(({ name, state }) => (state === "outdated" ? [name] : [])));
    const isStable = still.size === outdated.size;
    outdated = still;
    if (isStable) return compared;
  }
}

interface Demand {
  readonly by: string;
  readonly range: VersionRange;
}

/** By the name of what is required. */
function demandsOf(stored: readonly ListedPackage[]): ReadonlyMap<string, readonly Demand[]> {
  const demands = new Map<string, Demand[]>();
  for (const { name: by, info } of stored) {
    for (const text of info?.require ?? []) {
      const parsed = parseRequirement(text);
      if ("problem" in parsed || parsed.range === undefined) continue;
      demands.set(parsed.name, [...(demands.get(parsed.name) ?? []), { by, range: parsed.range }]);
    }
  }
  return demands;
}

/** As in choosePackages: a GitHub project lists its releases from the newest on. */
function bestFirst(items: readonly RemotePackage[], { kind }: Remote): readonly RemotePackage[] {
  if (kind === "github") return items;
  return [...items].sort((a, b) => compareVersions(b.version ?? "", a.version ?? ""));
}

/** Fetches what is outdated. Error: as of pullPackages. */
export async function updatePackages(
  comparisons: readonly Comparison[],
  options: PullOptions,
  context: Context,
): Promise<readonly Pulled[]> {
  const outdated = comparisons.filter(({ state }) => state === "outdated");
  const requirements = outdated.map(({ name, remote, held }) => ({
    name,
    range: held === undefined || remote?.version == null ? undefined : exactly(remote.version),
  }));
  return requirements.length === 0 ? [] : await pullPackages(requirements, options, context);
}

interface Local {
  readonly name: string;
  readonly version: string | undefined;
  readonly created: string | undefined;
}

function exactly(version: string): VersionRange {
  return { text: `=${version}`, accepts: (other) => other === version };
}

interface Choice {
  /** The best first. */
  readonly offered: readonly RemotePackage[];
  readonly demanding: readonly Demand[];
}

function compare(local: Local, { offered, demanding }: Choice, { created }: CompareOptions): Comparison {
  const { name } = local;
  const version = local.version ?? null;
  const [newest] = offered;
  if (newest === undefined) return { name, version, remote: null, state: "only-here" };
  const taken = offered.find((item) => demanding.every(({ range }) => range.accepts(item.version)));
  const item = taken ?? newest;
  const remote = { name: item.remote, version: item.version ?? null, release: item.release ?? null };
  const state = taken === undefined ? "current" : stateOf(local, item, created);
  if (taken === newest || stateOf(local, newest, created) !== "outdated") return { name, version, remote, state };
  const by = demanding.filter(({ range }) => !range.accepts(newest.version)).map((demand) => demand.by);
  return { name, version, remote, state, held: { version: newest.version ?? null, by } };
}

function stateOf(local: Local, item: RemotePackage, byTime: boolean): Comparison["state"] {
  const order = compareVersions(local.version ?? "", item.version ?? "");
  if (order < 0) return "outdated";
  if (order > 0) return "newer-here";
  if (!byTime) return "current";
  const [here, there] = [createdTime(local.created), createdTime(item.created)];
  return here === undefined || there === undefined || here < there ? "outdated" : "current";
}
