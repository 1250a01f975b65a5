import { closeSync, existsSync, openSync, readSync, type Stats, statSync } from "node:fs";
import { extname, join, resolve } from "node:path";
import { kernelOf } from "../compose/check-image.ts";
import { probeFormat } from "../disks/probe.ts";
import type { FileSpace } from "../filesystems/file-space.ts";
import { hostError } from "../filesystems/host-error.ts";
import type { Application, ApplicationRequest, Recognised } from "../programs/application.ts";
import { type Assembly, assemble } from "../programs/assemble.ts";
import { parseExtras } from "../programs/extras.ts";
import { describeApplication } from "../programs/interpreters/index.ts";
import type { LaunchMode } from "../programs/launch.ts";
import { recognise } from "../programs/recognise.ts";
import { fileOfSystem, systemSpace } from "../programs/system-space.ts";
import { hasCapstanfile } from "../project/capstanfile.ts";
import { findImage } from "../store/images.ts";
import type { Loader } from "../store/loaders.ts";
import { packageNames } from "../store/packages.ts";
import { CapstanError, ExitCode, isErrno } from "../support/errors.ts";
import type { CommandContext } from "./answer.ts";
import { type Input, usageError } from "./input.ts";
import { openStore } from "./store.ts";

/** What a word of the command line is on this machine, when it names no image of the store. */
export type NamedPath =
  | { readonly kind: "project"; readonly path: string }
  | { readonly kind: "program"; readonly path: string }
  | undefined;

/**
 * A word that looks like a path, or that has the ending of a script, and what lies there: a project's folder, or
 * something to run. With `--sysroot`, also a file that only the other system has at that path. Undefined for other words,
 * for disk images, and where nothing is: those are looked up as images.
 */
export function findProgram(word: string, { cwd }: Pick<CommandContext, "cwd">, sysroot?: string): NamedPath {
  if (!word.includes("/") && word !== "." && word !== ".." && !SCRIPTS.has(extname(word).toLowerCase())) {
    return undefined;
  }
  const path = resolve(cwd, word);
  const system = sysroot === undefined ? undefined : resolve(cwd, sysroot);
  if (fileOfSystem(path, system) !== undefined) return { kind: "program", path };
  const stats = statsOf(path);
  if (stats === undefined) return undefined;
  if (stats.isDirectory()) return { kind: isProject(path) || hasCapstanfile(path) ? "project" : "program", path };
  // Reading a FIFO would wait for a writer.
  if (!stats.isFile()) return { kind: "program", path };
  return isDiskImage(path) || DISKS.has(extname(path)) ? undefined : { kind: "program", path };
}

/** What is there and cannot be looked at is told when it is recognised; `a/b` may be an image where `a` is a file. */
function statsOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if (isErrno(error, "ENOTDIR", "ENAMETOOLONG", "EINVAL")) return undefined;
    throw hostError(error, path);
  }
}

/** The error that a word names no image, with a hint for those who meant a file. */
export function notAnImage(error: CapstanError, word: string, context: CommandContext): CapstanError {
  const hint = fileHint(word, context);
  const { message, code, exitCode, details } = error;
  return hint === undefined ? error : new CapstanError(message, { code, exitCode, details, hint, cause: error });
}

function fileHint(word: string, { cwd }: CommandContext): string | undefined {
  if (SCRIPTS.has(extname(word).toLowerCase()) && !word.includes("/")) {
    return `There is no file ${word} in ${cwd} either: check its name, or write its path.`;
  }
  return word !== "" && !word.includes("/") && statsOf(resolve(cwd, word)) !== undefined
    ? `There is a file or folder of that name here: as a program, it is ./${word}`
    : undefined;
}

export function isStored(name: string, context: CommandContext): boolean {
  try {
    findImage(openStore(context).layout, name);
    return true;
  } catch (error) {
    if (error instanceof CapstanError) return false;
    throw error;
  }
}

const SCRIPTS: ReadonlySet<string> = new Set(
  ".py .pyz .js .mjs .cjs .jar .class .php .rb .pl .lua .tcl .sh".split(" "),
);

const DISKS: ReadonlySet<string> = new Set([".qcow2", ".qemu", ".img", ".raw", ".vmdk", ".vdi", ".vhd"]);

export function isProject(folder: string): boolean {
  return ["package.yaml", "run.yaml"].some((name) => existsSync(join(folder, "meta", name)));
}

/** A disk in a format of its own, or one with a boot sector: what a program never begins with. */
function isDiskImage(path: string): boolean {
  const sector = Buffer.alloc(512);
  try {
    const descriptor = openSync(path, "r");
    try {
      readSync(descriptor, sector, 0, sector.length, 0);
    } finally {
      closeSync(descriptor);
    }
  } catch {
    // It is told when it is opened for good.
    return false;
  }
  if (hasDiskFormat(path)) return true;
  return sector.readUInt16LE(510) === 0xaa55 && !/^(?:\x7fELF|#!|PK)/.test(sector.toString("latin1", 0, 4));
}

function hasDiskFormat(path: string): boolean {
  try {
    return probeFormat(path) !== "raw";
  } catch {
    return false;
  }
}

export interface AssembleProgramRequest {
  /** Absolute. */
  readonly path: string;
  readonly userArgs: readonly string[];
  readonly loader: Loader;
  readonly options: ProgramOptions;
  /** The folder of the project that the program goes into: one that lies in it already keeps its place. */
  readonly project?: string | undefined;
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
  { path, userArgs, loader, options, project }: AssembleProgramRequest,
  context: CommandContext,
): Promise<AssembledProgram> {
  const space = systemSpace(options.sysroot);
  const recognised = interpretedBy(options.interpreter, recogniseIn(path, options.sysroot), context);
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
function recogniseIn(path: string, sysroot: string | undefined): Recognised {
  const there = fileOfSystem(path, sysroot);
  if (there === undefined) return recognise(path);
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
