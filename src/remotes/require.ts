import { parseRequirement, type Requirement, type VersionRange } from "../project/versions.ts";
import type { Layout } from "../store/layout.ts";
import { readStoredManifest, tryFindPackage } from "../store/packages.ts";
import type { Context } from "../support/context.ts";
import { type ChooseOptions, choosePackages } from "./choose.ts";
import type { RemotePackage } from "./remote.ts";

export interface RequireOptions extends ChooseOptions {
  readonly layout: Layout;
  /** Fetches what is asked for though the store has it; never what is only required. */
  readonly again: boolean;
  /** Versions that have to be taken wherever these packages are required: those of a lock file, by names. */
  readonly locked?: ReadonlyMap<string, VersionRange> | undefined;
}

/**
 * What has to be fetched so that the store has these packages and all that they require, in versions that fit everyone who requires
 * them; each behind what it requires itself. Packages in a circle come in some order. Error: CapstanError `not-in-remotes`.
 */
export async function chooseRequired(
  requirements: readonly Requirement[],
  options: RequireOptions,
  context: Context,
): Promise<readonly RemotePackage[]> {
  const roots = new Set(requirements.map(({ name }) => name));
  const asked = new Map<string, Map<string, Requirement>>();
  const chosen = new Map<string, Chosen>();
  // Whoever asks for something more makes the choice anew; nothing that was asked is taken back, so that it ends.
  for (let open = addAll(requirements, asked); open.size > 0; ) {
    const toFetch: Requirement[] = [];
    const found: Chosen[] = [];
    for (const name of open) {
      const wanted = combined(name, asked.get(name), options.locked?.get(name));
      const stored = options.again && roots.has(name) ? undefined : findStored(wanted, options.layout);
      if (stored === undefined) toFetch.push(wanted);
      else found.push(stored);
    }
    found.push(...(toFetch.length === 0 ? [] : await choosePackages(toFetch, options, context)).map(fromRemote));
    for (const one of found) chosen.set(one.name, one);
    open = addAll(
      found.flatMap(({ require }) => require),
      asked,
    );
  }
  return behindWhatTheyRequire([...roots], chosen).flatMap(({ item }) => item ?? []);
}

/** The answer to a requirement: of a remote, or what the store has. */
interface Chosen {
  readonly name: string;
  readonly require: readonly Requirement[];
  /** Undefined for what the store has. */
  readonly item: RemotePackage | undefined;
}

function fromRemote(item: RemotePackage): Chosen {
  return { name: item.name, require: item.require.flatMap(required), item };
}

function findStored({ name, range }: Requirement, layout: Layout): Chosen | undefined {
  const stored = tryFindPackage(layout, name);
  if (stored === undefined) return undefined;
  const { version, require } = readStoredManifest(stored);
  if (range?.accepts(version) === false) return undefined;
  return { name, require: require.flatMap(required), item: undefined };
}

/** Requirements of manifests were checked when those were read; what is none after all is left to composing. */
function required(text: string): readonly Requirement[] {
  const parsed = parseRequirement(text);
  return "problem" in parsed ? [] : [parsed];
}

/** Returns the names of which something new is asked. */
function addAll(requirements: readonly Requirement[], asked: Map<string, Map<string, Requirement>>): Set<string> {
  const changed = new Set<string>();
  for (const one of requirements) {
    const ofName = asked.get(one.name) ?? new Map<string, Requirement>();
    const key = one.range?.text ?? "";
    if (!ofName.has(key)) changed.add(one.name);
    asked.set(one.name, ofName.set(key, one));
  }
  return changed;
}

/** One requirement that says what all of them say. */
function combined(
  name: string,
  all: ReadonlyMap<string, Requirement> = new Map(),
  locked: VersionRange | undefined,
): Requirement {
  const ranges = [...[...all.values()].flatMap(({ range }) => range ?? []), ...(locked === undefined ? [] : [locked])];
  if (ranges.length === 0) return { name, range: undefined };
  const range: VersionRange = {
    text: ranges.map(({ text }) => text).join(" and "),
    accepts: (version) => ranges.every((one) => one.accepts(version)),
  };
  return { name, range };
}

/** Only what is still required: a first choice may have required more. */
function behindWhatTheyRequire(roots: readonly string[], chosen: ReadonlyMap<string, Chosen>): readonly Chosen[] {
  const order: Chosen[] = [];
  const seen = new Set<string>();
  // A stack of our own: chains of requirements may be longer than the engine's.
  const open: { readonly name: string; readonly done?: Chosen }[] = roots.toReversed().map((name) => ({ name }));
  for (let step = open.pop(); step !== undefined; step = open.pop()) {
    if (step.done !== undefined) order.push(step.done);
    const one = chosen.get(step.name);
    if (one === undefined || seen.has(step.name)) continue;
    seen.add(step.name);
    open.push({ name: step.name, done: one });
    for (const { name } of one.require.toReversed()) open.push({ name });
  }
  return order;
}
