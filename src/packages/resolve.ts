import { quotePath } from "../filesystems/names.ts";
import { parseRequirement, type VersionRange } from "../project/versions.ts";
import { CapstanError, ExitCode } from "../support/errors.ts";
import { nearest } from "../support/suggest.ts";

/** A package that something asks for. */
export interface Requirement {
  /** Its name, with a range of versions or without: `osv.cli`, `osv.cli >=1.2`. */
  readonly name: string;
  /** For messages: `this project`, `the runtime node`, or the name of a package. */
  readonly requiredBy: string;
}

export interface ResolveOptions<Loaded extends Requiring> {
  /** In this order; `osv.bootstrap` comes first only if it stands first here. */
  readonly roots: readonly Requirement[];
  /** Undefined when there is no such package. */
  readonly load: (name: string) => Promise<Loaded | undefined> | Loaded | undefined;
  /** The names that there are, for a hint: asked only when one is missing. */
  readonly available?: () => Promise<Iterable<string>> | Iterable<string>;
}

/** What `load` returns has to say what it requires; all else about it is the caller's. */
export interface Requiring {
  readonly require: readonly string[];
  readonly version?: string | undefined;
}

/**
 * All packages that the roots need, each once, every package behind those that it requires: the order in which they
 * are laid over one another, and so which file wins.
 *
 * Errors: CapstanError `dependency-cycle` that shows the cycle, `package-missing` and `package-version` that say who asks
 * for it.
 */
export async function resolveDependencies<Loaded extends Requiring>(
  options: ResolveOptions<Loaded>,
): Promise<readonly Loaded[]> {
  const resolved = new Map<string, Loaded>();
  for (const root of options.roots) {
    // A stack of our own: chains of requirements may be longer than the engine's.
    const open: Step<Loaded>[] = [];
    const opened = new Set<string>();
    const enter = async ({ name: text, requiredBy }: Requirement): Promise<void> => {
      const { name, range } = requirementOf(text);
      const before = resolved.get(name);
      if (before === undefined && opened.has(name)) throw cycleError([...open.map((step) => step.name), name]);
      const loaded = before ?? (await loadOne({ name, requiredBy }, options));
      if (range?.accepts(loaded.version) === false)
        throw versionError({ name, requiredBy }, range.text, loaded.version);
      if (before !== undefined) return;
      open.push({ name, loaded, next: 0 });
      opened.add(name);
    };
    await enter(root);
    for (let step = open.at(-1); step !== undefined; step = open.at(-1)) {
      const name = step.loaded.require[step.next++];
      if (name !== undefined) {
        await enter({ name, requiredBy: step.name });
      } else {
        resolved.set(step.name, step.loaded);
        opened.delete(step.name);
        open.pop();
      }
    }
  }
  return [...resolved.values()];
}

/** A package whose requirements are being looked at. */
interface Step<Loaded> {
  readonly name: string;
  readonly loaded: Loaded;
  next: number;
}

async function loadOne<Loaded extends Requiring>(
  wanted: Requirement,
  options: ResolveOptions<Loaded>,
): Promise<Loaded> {
  const loaded = await options.load(wanted.name);
  if (loaded !== undefined) return loaded;
  const meant = nearest(wanted.name, (await options.available?.()) ?? []);
  throw new CapstanError(
    `The package ${quotePath(wanted.name)}, which ${wanted.requiredBy} requires, is not in the local store`,
    {
      code: "package-missing",
      hint: howToGet(wanted.name, meant),
      exitCode: ExitCode.noInput,
    },
  );
}

/** What is no requirement is refused where manifests are read; here it is the name of a package that nobody has. */
function requirementOf(text: string): { readonly name: string; readonly range: VersionRange | undefined } {
  const parsed = parseRequirement(text);
  return "problem" in parsed ? { name: text, range: undefined } : parsed;
}

function versionError(wanted: Requirement, range: string, version: string | undefined): CapstanError {
  const found = version === undefined ? "does not say its version" : `is ${version}`;
  return new CapstanError(
    `The package ${quotePath(wanted.name)} in the local store ${found}, and ${wanted.requiredBy} requires ${range}`,
    {
      code: "package-version",
      hint: `Fetch another one: capstan package pull '${wanted.name} ${range}'`,
      exitCode: ExitCode.noInput,
    },
  );
}

/** What to do about a package that the store lacks; `meant` is one that it has, of nearly that name. */
export function howToGet(name: string, meant: string | undefined): string {
  const otherwise = meant === undefined ? "Fetch" : `Did you mean '${meant}'? Otherwise fetch`;
  return `${otherwise} it with 'capstan package pull ${name}' (or --pull-missing), or run 'capstan package import' in the folder of its project.`;
}

/** Shows what lies on the cycle, from its first package back to the same one; the middle of a very long one is left out. */
export function cycleError(path: readonly string[]): CapstanError {
  const last = path.at(-1) ?? "";
  const cycle = path.slice(path.indexOf(last));
  const shown = cycle.length > SHOWN ? [...cycle.slice(0, SHOWN / 2), "…", ...cycle.slice(-SHOWN / 2)] : cycle;
  return new CapstanError(`Packages require one another in a circle: ${shown.join(" → ")}`, {
    code: "dependency-cycle",
    hint: "Remove one of these names from the 'require' list of the package before it, and import that package again.",
  });
}

const SHOWN = 20;
