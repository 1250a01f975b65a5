import { createdTime } from "../project/manifest.ts";
import { compareVersions } from "../project/versions.ts";
import type { Layout } from "../store/layout.ts";
import { listPackages } from "../store/packages.ts";
import type { Context } from "../support/context.ts";
import { type Pulled, type PullOptions, pullPackages } from "./pull.ts";
import type { RemotePackage } from "./remote.ts";

/** A package of the store beside what the remotes have of it. */
export interface Comparison {
  readonly name: string;
  /** Of the store; null where the manifest says none. */
  readonly version: string | null;
  /** Null where no remote has it. */
  readonly remote: { readonly name: string; readonly version: string | null; readonly release: string | null } | null;
  readonly state: "outdated" | "current" | "only-here" | "newer-here";
}

export interface CompareOptions extends Pick<PullOptions, "remotes" | "arch"> {
  readonly layout: Layout;
  /** Only packages whose name contains it. */
  readonly text: string;
  /** Goes by the time of making as well: what was made earlier, or nobody knows when, is outdated. */
  readonly created: boolean;
}

/** A package that is in the store alone is no error: it was imported. */
export async function comparePackages(options: CompareOptions, context: Context): Promise<readonly Comparison[]> {
  const { layout, remotes, arch, text } = options;
  const local = listPackages(layout).filter(({ name }) => name.includes(text));
  const names = local.map(({ name }) => name);
  if (names.length === 0) return [];
  const best = new Map<string, RemotePackage>();
  for (const remote of remotes) {
    const missing = names.filter((name) => !best.has(name));
    if (missing.length === 0) break;
    const offered = await remote.packages({ names: missing, details: true, arch }, context);
    for (const item of offered) {
      const known = best.get(item.name);
      const isNewer = known !== undefined && known.remote === remote.name && remote.kind !== "github";
      if (known === undefined || (isNewer && compareVersions(item.version ?? "", known.version ?? "") > 0)) {
        best.set(item.name, item);
      }
    }
  }
  return local.map(({ name, info }) =>
    compare({ name, version: info?.version, created: info?.created }, best, options),
  );
}

/** Fetches what is outdated. Error: as of pullPackages. */
export async function updatePackages(
  comparisons: readonly Comparison[],
  options: PullOptions,
  context: Context,
): Promise<readonly Pulled[]> {
  const outdated = comparisons.filter(({ state }) => state === "outdated");
  const requirements = outdated.map(({ name }) => ({ name, range: undefined }));
  return requirements.length === 0 ? [] : await pullPackages(requirements, options, context);
}

interface Local {
  readonly name: string;
  readonly version: string | undefined;
  readonly created: string | undefined;
}

function compare(local: Local, best: ReadonlyMap<string, RemotePackage>, { created }: CompareOptions): Comparison {
  const { name } = local;
  const version = local.version ?? null;
  const item = best.get(name);
  if (item === undefined) return { name, version, remote: null, state: "only-here" };
  const remote = { name: item.remote, version: item.version ?? null, release: item.release ?? null };
  return { name, version, remote, state: stateOf(local, item, created) };
}

function stateOf(local: Local, item: RemotePackage, byTime: boolean): Comparison["state"] {
  const order = compareVersions(local.version ?? "", item.version ?? "");
  if (order < 0) return "outdated";
  if (order > 0) return "newer-here";
  if (!byTime) return "current";
  const [here, there] = [createdTime(local.created), createdTime(item.created)];
  return here === undefined || there === undefined || here < there ? "outdated" : "current";
}
