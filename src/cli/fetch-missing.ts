import { BASE_PACKAGE, REMOTE_BASE_PACKAGE } from "../compose/plan.ts";
import { LOCK_FILE, readLockFile } from "../packages/lock-file.ts";
import type { Project } from "../project/project.ts";
import { runtimeDependencies } from "../project/run-config.ts";
import { requiredName, type VersionRange } from "../project/versions.ts";
import type { PullOptions } from "../remotes/pull-file.ts";
import { pullImage } from "../remotes/pull-image.ts";
import { pullMissing } from "../remotes/pull-packages.ts";
import { BUILTIN_LOADER, DEFAULT_LOADER, type Loader, loaderNames } from "../store/loaders.ts";
import { parseImageName } from "../store/names.ts";
import { CapstanError } from "../support/errors.ts";
import type { CommandContext } from "./answer.ts";
import { findLoaderOrFile } from "./find-image.ts";
import type { Input } from "./input.ts";
import { isOffline, pullOptions, requirementOf } from "./remotes.ts";

/** The loader that --loader_image names; one that the store lacks is fetched, as in the original. */
export async function chosenLoader(
  input: Input,
  context: CommandContext,
  name: string = input.text("loader_image") ?? DEFAULT_LOADER,
): Promise<Loader> {
  try {
    return findLoaderOrFile(name, context);
  } catch (error) {
    const isMissing = error instanceof CapstanError && error.code === "no-such-loader";
    if (!isMissing || isOffline(context) || !mayBeFetched(name)) throw error;
    await fetchLoader(name, error, { input, context });
    return findLoaderOrFile(name, context);
  }
}

/** The loader for a project: that of its capstan.lock, where there is one and nothing else is asked for. */
export function projectLoader(input: Input, { dir }: Project, context: CommandContext): Promise<Loader> {
  const locked = input.text("loader_image") === undefined ? readLockFile(dir)?.loader?.name : undefined;
  // Of a loader that was a file, the lock has no more than the last part of its path.
  return chosenLoader(
    input,
    context,
    locked !== undefined && parseImageName(locked) !== undefined ? locked : undefined,
  );
}

export interface FetchMissing {
  readonly project: Project;
  /** For `package compose-remote`. */
  readonly forRemote?: boolean;
  /** Whether a capstan.lock says which versions. */
  readonly byLock: boolean;
}

/** With --pull-missing: fetches what the project requires and the store lacks. */
export async function fetchMissing(
  input: Input,
  { project, forRemote = false, byLock }: FetchMissing,
  context: CommandContext,
): Promise<void> {
  if (!input.on("pull-missing")) return;
  const { manifest, runConfig } = project;
  const names = [
    ...(runConfig === undefined ? [] : runtimeDependencies(runConfig)),
    ...manifest.require,
    ...input.list("require"),
  ];
  const locked = byLock ? lockedVersions(project.dir) : undefined;
  const options = { ...(await pullOptions(input, "packages", context)), locked };
  await fetchBase(forRemote ? REMOTE_BASE_PACKAGE : BASE_PACKAGE, options, context);
  const requirements = names.filter((name) => requiredName(name) !== manifest.name).map(requirementOf);
  await pullMissing(requirements, options, context);
}

/** What is locked is fetched in that version, whoever requires it; whether it is the very same, the check of the lock tells. */
function lockedVersions(folder: string): ReadonlyMap<string, VersionRange> {
  const packages = readLockFile(folder)?.packages ?? [];
  const exactly = (version: string): VersionRange => ({
    text: `${version} of ${LOCK_FILE}`,
    accepts: (other) => other === version,
  });
  return new Map(packages.flatMap(({ name, version }) => (version === undefined ? [] : [[name, exactly(version)]])));
}

/** Images do without the base package: a repository of one's own need not have it. */
async function fetchBase(name: string, options: PullOptions, context: CommandContext): Promise<void> {
  try {
    await pullMissing([requirementOf(name)], options, context);
  } catch (error) {
    if (!(error instanceof CapstanError) || error.code !== "not-in-remotes") throw error;
    context.reporter.report({ kind: "detail", text: error.message });
  }
}

/** The names of OSv's own loaders; any other name is more likely a slip than something to look for in the world. */
function mayBeFetched(name: string): boolean {
  return name !== BUILTIN_LOADER && /^(?:mike\/)?osv-loader(?:-[a-z-]+)?$/.test(name);
}

/** The first name that a remote has; what none has is told of the first name. */
async function pullFirst(names: readonly string[], options: PullOptions, context: CommandContext): Promise<void> {
  let missing: unknown;
  for (const name of names) {
    try {
      await pullImage(name, options, context);
      return;
    } catch (error) {
      if (!(error instanceof CapstanError) || error.code !== "not-in-remotes") throw error;
      missing ??= error;
    }
  }
  throw missing;
}

/** What went wrong with the remotes comes second: the loader is what is missing. */
async function fetchLoader(
  name: string,
  missing: CapstanError,
  { input, context }: { readonly input: Input; readonly context: CommandContext },
): Promise<void> {
  context.reporter.report({ kind: "step", text: `The loader ${name} is not in the store: fetching it` });
  try {
    await pullFirst(loaderNames(name), await pullOptions(input, "images", context), context);
  } catch (error) {
    if (!(error instanceof CapstanError) || error.code === "interrupted") throw error;
    throw new CapstanError(missing.message, {
      code: missing.code,
      exitCode: missing.exitCode,
      hint: missing.hint,
      details: [...missing.details, `and it could not be fetched: ${error.message}`],
      cause: error,
    });
  }
}
