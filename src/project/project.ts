import { existsSync, statSync } from "node:fs";
import { isAbsolute, join, relative, resolve } from "node:path";
import { writeFileAtomically } from "../support/atomic.ts";
import type { Context } from "../support/context.ts";
import { CapstanError, doing, ExitCode } from "../support/errors.ts";
import { type Ignore, loadIgnore } from "./capstanignore.ts";
import { createdNow, DEFAULT_MANIFEST, formatManifest, type PackageManifest, readManifestFile } from "./manifest.ts";
import { nameProblem } from "./names.ts";
import { type RunConfig, readRunConfigFile } from "./run-config.ts";
import { findRuntime } from "./runtimes/index.ts";
import { runConfigTemplate } from "./template.ts";
import { quoted } from "./text-file.ts";
import { requirementProblem } from "./versions.ts";

/** What the user wrote, parsed and checked once. */
export interface Project {
  /** Absolute path. */
  readonly dir: string;
  readonly manifest: PackageManifest;
  /** False: there is no meta/package.yaml, and the manifest is the default one. */
  readonly hasManifest: boolean;
  readonly runConfig?: RunConfig;
  readonly ignore: Ignore;
}

export interface LoadProjectOptions {
  /** Where there is no meta/package.yaml: "refuse" (the default), or go on with a "default" manifest. */
  readonly missingManifest?: "refuse" | "default" | undefined;
}

/** Reads meta/package.yaml, meta/run.yaml and .capstanignore of a folder; relative paths are those of the context. */
export function loadProject(directory: string, context: Context, options: LoadProjectOptions = {}): Project {
  const dir = resolve(context.cwd, directory);
  checkDirectory(dir, directory);
  const shown = (path: string) => shownPath(join(dir, path), context);
  const found = readManifestFile(join(dir, MANIFEST), { name: shown(MANIFEST) });
  if (found === undefined && options.missingManifest !== "default") throw notAProject(dir, context);
  if (found === undefined) {
    const text = `${shown(MANIFEST)} does not exist: the package is called ${DEFAULT_MANIFEST.name} in this image`;
    context.reporter.report({ kind: "step", text });
  }
  const runConfig = readRunConfigFile(join(dir, RUN_CONFIG), { name: shown(RUN_CONFIG) });
  const ignore = loadIgnore(dir, shown(".capstanignore"));
  for (const text of ignore.warnings) context.reporter.report({ kind: "warning", text });
  const manifest = found ?? DEFAULT_MANIFEST;
  return { dir, manifest, hasManifest: found !== undefined, ignore, ...(runConfig === undefined ? {} : { runConfig }) };
}

export interface InitProjectInput {
  readonly dir: string;
  readonly name?: string | undefined;
  readonly title?: string | undefined;
  readonly author?: string | undefined;
  readonly version?: string | undefined;
  readonly require?: readonly string[] | undefined;
  readonly platform?: string | undefined;
  /** Also writes the meta/run.yaml of this runtime. */
  readonly runtime?: string | undefined;
  /** Replaces files that are there. */
  readonly force?: boolean | undefined;
}

export interface Written {
  /** Absolute paths of the files that were written. */
  readonly written: readonly string[];
}

/** `package init`: checks everything, then writes meta/package.yaml, and meta/run.yaml when a runtime is named. */
export async function initProject(input: InitProjectInput, context: Context): Promise<Written> {
  const dir = resolve(context.cwd, input.dir);
  const manifest = newManifest(input, context.now());
  const runtime = input.runtime === undefined ? undefined : findRuntime(input.runtime);
  const files = [{ path: join(dir, MANIFEST), text: formatManifest(manifest) }];
  if (runtime !== undefined) files.push({ path: join(dir, RUN_CONFIG), text: runConfigTemplate(runtime, {}) });
  for (const file of files) refuseToReplace(file.path, input.force === true, context);
  for (const file of files) await writeFileAtomically(file.path, file.text);
  return { written: files.map((file) => file.path) };
}

export interface InitRuntimeInput {
  readonly dir: string;
  readonly runtime: string;
  /** Without comments. */
  readonly plain?: boolean | undefined;
  readonly force?: boolean | undefined;
}

/** `runtime init`: writes the meta/run.yaml of a runtime into a project that is there. */
export async function initRuntime(input: InitRuntimeInput, context: Context): Promise<Written> {
  const runtime = findRuntime(input.runtime);
  const dir = resolve(context.cwd, input.dir);
  if (!doing(`Looking for ${join(dir, MANIFEST)}`, () => existsSync(join(dir, MANIFEST))))
    throw notAProject(dir, context);
  const path = join(dir, RUN_CONFIG);
  refuseToReplace(path, input.force === true, context);
  await writeFileAtomically(path, runConfigTemplate(runtime, { plain: input.plain }));
  return { written: [path] };
}

/** `runtime preview`: the text that `initRuntime` writes. */
export function previewRuntime(runtime: string, options: { readonly plain?: boolean | undefined } = {}): string {
  return runConfigTemplate(findRuntime(runtime), options);
}

const MANIFEST = "meta/package.yaml";
const RUN_CONFIG = "meta/run.yaml";

function newManifest(input: InitProjectInput, now: Date): PackageManifest {
  const { name = "", title = "", author = "" } = input;
  const missing = Object.entries({ name, title, author }).flatMap(([flag, value]) =>
    value === "" ? [`--${flag}`] : [],
  );
  if (missing.length > 0) {
    throw usage(
      `A new package needs ${missing.join(", ")}`,
      "Example: capstan package init -n hello -t 'Says hello' -a me",
    );
  }
  const require = input.require ?? [];
  const problems = [nameProblem(name, "a package"), ...require.map(requirementProblem)];
  const [first, ...others] = problems.filter((problem) => problem !== undefined);
  if (first !== undefined) {
    throw usage(first, "Choose another name.", others.length === 0 ? [] : [first, ...others]);
  }
  return {
    name,
    title,
    author,
    require,
    binary: new Map(),
    created: createdNow(now),
    ...(input.version ? { version: input.version } : {}),
    ...(input.platform ? { platform: input.platform } : {}),
  };
}

function refuseToReplace(path: string, force: boolean, context: Context): void {
  if (force || !doing(`Looking for ${path}`, () => existsSync(path))) return;
  throw new CapstanError(`${shownPath(path, context)} exists already`, {
    code: "exists",
    hint: "Use --force to replace it.",
    exitCode: ExitCode.cannotCreate,
  });
}

function checkDirectory(dir: string, given: string): void {
  doing(`Reading the folder ${quoted(given)}`, () => {
    if (statSync(dir).isDirectory()) return;
    throw new CapstanError(`${quoted(given)} is not a folder`, {
      code: "not-a-project",
      hint: "Give the folder of a project.",
      exitCode: ExitCode.noInput,
    });
  });
}

function notAProject(dir: string, context: Context): CapstanError {
  const path = shownPath(join(dir, MANIFEST), context);
  return new CapstanError(`Not a Capstan package: there is no ${path}`, {
    code: "not-a-project",
    hint: "Go to the folder of the package, or run 'capstan package init' to make one.",
    exitCode: ExitCode.noInput,
  });
}

/** A path as the user would write it: from the current folder when it lies below, else the whole of it. */
function shownPath(path: string, context: Context): string {
  const short = relative(context.cwd, path);
  return short.startsWith("..") || isAbsolute(short) ? path : short;
}

function usage(message: string, hint: string, details: readonly string[] = []): CapstanError {
  return new CapstanError(message, { code: "usage", hint, details, exitCode: ExitCode.usage });
}
