import { compareVersions, type Requirement } from "../project/versions.ts";
import type { Context } from "../support/context.ts";
import { CapstanError, ExitCode } from "../support/errors.ts";
import type { Remote, RemoteImage, RemotePackage } from "./remote.ts";

export interface ChooseOptions {
  /** In the order in which they are asked: the first one that has a fitting version is taken. */
  readonly remotes: readonly Remote[];
  readonly arch: string;
}

/** For each requirement the package to fetch. Error: CapstanError `not-in-remotes` that says what was looked through. */
export async function choosePackages(
  requirements: readonly Requirement[],
  { remotes, arch }: ChooseOptions,
  context: Context,
): Promise<readonly RemotePackage[]> {
  const open = new Map(requirements.map((requirement) => [requirement.name, requirement]));
  const chosen = new Map<string, RemotePackage>();
  const seen = new Map<string, string[]>();
  for (const remote of remotes) {
    if (open.size === 0) break;
    // An old version may be in an old release.
    const everyRelease = [...open.values()].some(({ range }) => range !== undefined);
    const offered = await remote.packages({ names: [...open.keys()], details: true, arch, everyRelease }, context);
    for (const [name, { range }] of [...open]) {
      const ofName = offered.filter((one) => one.name === name && fits(one, arch));
      for (const { version } of ofName) seen.set(name, [...(seen.get(name) ?? []), version ?? "without a version"]);
      const best = newest(
        ofName.filter(({ version }) => range === undefined || range.accepts(version)),
        remote,
      );
      if (best === undefined) continue;
      chosen.set(name, best);
      open.delete(name);
    }
  }
  for (const requirement of open.values()) throw notThere(requirement, { remotes, seen: seen.get(requirement.name) });
  return requirements.flatMap(({ name }) => chosen.get(name) ?? []);
}

/** The image of a name. Error: CapstanError `not-in-remotes`. */
export async function chooseImage(
  name: string,
  { remotes, arch }: ChooseOptions,
  context: Context,
): Promise<RemoteImage> {
  for (const remote of remotes) {
    const offered = await remote.images({ names: [name], details: true, arch }, context);
    const best = newest(
      offered.filter((one) => one.name === name && fits(one, arch)),
      remote,
    );
    if (best !== undefined) return best;
  }
  throw notThere({ name, range: undefined }, { remotes, seen: undefined });
}

function fits({ arch }: { readonly arch: string | undefined }, wanted: string): boolean {
  return arch === undefined || arch === "" || arch === wanted;
}

/** A GitHub project lists its releases from the newest on, whatever the versions in them are called; others are compared. */
function newest<Item extends { readonly version: string | undefined }>(
  items: readonly Item[],
  { kind }: Remote,
): Item | undefined {
  if (kind === "github") return items[0];
  return [...items].sort((a, b) => compareVersions(b.version ?? "", a.version ?? ""))[0];
}

function notThere(
  { name, range }: Requirement,
  { remotes, seen }: { readonly remotes: readonly Remote[]; readonly seen: readonly string[] | undefined },
): CapstanError {
  const places = remotes.map((remote) => `${remote.name} (${remote.address})`).join(", ");
  const wanted = range === undefined ? name : `${name} ${range.text}`;
  return new CapstanError(`No remote has ${wanted}: looked in ${places || "none, as there is none"}`, {
    code: "not-in-remotes",
    exitCode: ExitCode.unavailable,
    details: seen === undefined ? [] : [`versions that are there: ${seen.join(", ")}`],
    hint:
      seen === undefined
        ? "See what there is: capstan package search, capstan search; or add a remote: capstan remote add."
        : "Ask for another version.",
  });
}
