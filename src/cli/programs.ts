import { statSync } from "node:fs";
import { resolve } from "node:path";
import { kernelOf } from "../compose/check-image.ts";
import type { FileSpace } from "../filesystems/file-space.ts";
import type { Application, ApplicationRequest, Recognised } from "../programs/application.ts";
import { type Assembly, assemble } from "../programs/assemble.ts";
import { parseExtras } from "../programs/extras.ts";
import { describeApplication } from "../programs/interpreters/index.ts";
import type { LaunchMode } from "../programs/launch.ts";
import { recognise } from "../programs/recognise.ts";
import { fileOfSystem, systemSpace } from "../programs/system-space.ts";
import type { Loader } from "../store/loaders.ts";
import { packageNames } from "../store/packages.ts";
import { CapstanError, ExitCode } from "../support/errors.ts";
import type { CommandContext } from "./answer.ts";
import { type Input, usageError } from "./input.ts";
import { openStore } from "./store.ts";

export interface AssembleProgramRequest {
  /** Absolute. */
  readonly path: string;
  readonly userArgs: readonly string[];
  readonly loader: Loader;
  readonly options: ProgramOptions;
  /** The folder of the project that the program goes into: one that lies in it already keeps its place. */
  readonly project?: string | undefined;
  /** A folder at `path` is a program even where it is a project too. */
  readonly isNamedAsProgram?: boolean;
}

/** What flags say of how a program is put together; kept in the manifest of a project. */
export interface ProgramOptions {
  readonly launch: LaunchMode | undefined;
  readonly sysroot: string | undefined;
  readonly libraryPath: readonly string[];
  readonly interpreter: string | undefined;
  readonly with: readonly string[];
  readonly trim: boolean;
}

export interface AssembledProgram extends Assembly {
  readonly recognised: Recognised;
}

/** Recognises what lies at a path, and puts together all that it takes. */
export async function assembleProgram(
  { path, userArgs, loader, options, project, isNamedAsProgram }: AssembleProgramRequest,
  context: CommandContext,
): Promise<AssembledProgram> {
  const space = systemSpace(options.sysroot);
  const recognised = interpretedBy(options.interpreter, recogniseIn(path, options.sysroot, isNamedAsProgram), context);
  const request: ApplicationRequest = {
    ...{ recognised, space, userArgs },
    isThisMachine: options.sysroot === undefined,
    interpreter: options.interpreter?.includes("/") === true ? options.interpreter : undefined,
    trim: options.trim,
    cacheFolder: openStore(context).layout.programs,
  };
  const application = inProject(await describeApplication(request, context), project);
  warnOfFolders(options.libraryPath, space, context);
  const extras = parseExtras(options.with, { space, cwd: context.cwd, libraryDirectories: LIBRARY_DIRECTORIES });
  const { launch, libraryPath } = options;
  const kernel = kernelOf(loader);
  return { ...(await assemble({ application, kernel, space, launch, libraryPath, extras }, context)), recognised };
}

/** What another system has at the path goes before what this machine has there, as for libraries. */
function recogniseIn(path: string, sysroot: string | undefined, isNamedAsProgram = false): Recognised {
  const there = fileOfSystem(path, sysroot);
  if (there === undefined) return recognise(path, { isNamedAsProgram });
  const recognised = recognise(there.hostPath);
  return recognised.kind === "elf" ? { ...recognised, path: there.named } : recognised;
}

/** An interpreter that is given by its name is looked for as the script's own one would be. */
function interpretedBy(interpreter: string | undefined, recognised: Recognised, context: CommandContext): Recognised {
  if (interpreter === undefined) return recognised;
  if (recognised.interpreter === undefined) {
    throw usageError(
      `--interpreter goes with a script, and ${recognised.path} is ${recognised.title}.`,
      "Leave it out.",
    );
  }
  if (interpreter.includes("/")) return recognised;
  if (packageNames(openStore(context).layout).includes(interpreter)) {
    throw usageError(
      `--interpreter ${interpreter} is a package, which only run takes.`,
      `In a project, require ${interpreter} in meta/package.yaml, and name it as a base in meta/run.yaml.`,
    );
  }
  return { ...recognised, interpreter };
}

function inProject(application: Application, folder: string | undefined): Application {
  const { source } = application.executable;
  if (folder === undefined || application.recognised.kind !== "elf" || !source.startsWith(`${folder}/`)) {
    return application;
  }
  return { ...application, executable: { source, target: source.slice(folder.length) } };
}

/** LD_LIBRARY_PATH may name folders that are not there; typed by hand, that is rather a mistake. */
function warnOfFolders(folders: readonly string[], space: FileSpace, { reporter }: CommandContext): void {
  for (const folder of folders) {
    if (space.find(folder)?.type === "directory") continue;
    reporter.report({ kind: "warning", text: `--library-path ${folder}: there is no such folder` });
  }
}

const LIBRARY_DIRECTORIES: readonly string[] = [
  "/usr/lib/x86_64-linux-gnu",
  "/lib/x86_64-linux-gnu",
  "/usr/lib/aarch64-linux-gnu",
  "/usr/lib64",
  "/lib64",
  "/usr/local/lib",
  "/usr/lib",
  "/lib",
];

export function programOptions(input: Input, context: CommandContext): ProgramOptions {
  const launch = input.text("launch");
  const [sysroot, interpreter] = [input.text("sysroot"), input.text("interpreter")];
  return {
    launch: launch === "native" || launch === "linux" || launch === "static" ? launch : undefined,
    sysroot: sysroot === undefined ? undefined : folderOf(resolve(context.cwd, sysroot)),
    libraryPath: input
      .list("library-path")
      .flatMap((value) => value.split(":"))
      .filter((path) => path !== "")
      .map((path) => resolve(context.cwd, path)),
    interpreter: interpreter?.includes("/") === true ? resolve(context.cwd, interpreter) : interpreter,
    with: input.list("with"),
    trim: !input.on("no-trim"),
  };
}

function folderOf(path: string): string {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return path;
  throw new CapstanError(`--sysroot ${path}: there is no such folder`, {
    code: "no-such-file",
    exitCode: ExitCode.noInput,
    hint: "Give the folder that holds the other system's usr, lib and etc.",
  });
}
