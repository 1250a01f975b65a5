import { posix } from "node:path";
import type { ElfFile } from "../elf/elf-file.ts";
import type { FileSpace } from "../filesystems/file-space.ts";
import type { FileTree } from "../filesystems/filetree.ts";
import type { Kernel } from "../kernels/kernel.ts";
import type { Closure, LoadedObject, MissingLibrary } from "../linker/closure.ts";
import { createLinker, type Linker } from "../linker/linker.ts";
import type { Context } from "../support/context.ts";
import { CapstanError, ExitCode } from "../support/errors.ts";
import type { Application, Part, Trimmed } from "./application.ts";
import { type Extra, elfFilesAt, partOfExtra } from "./extras.ts";
import type { Item } from "./item.ts";
import { chooseLaunch, type Launch, type LaunchMode } from "./launch.ts";
import { LibraryPlaces } from "./library-places.ts";
import { ProgramTree } from "./program-tree.ts";
import { isMountedOver, isSystemPath } from "./system-space.ts";

export interface AssembleRequest {
  readonly application: Application;
  readonly kernel: Kernel;
  /** The system that the program and its libraries are taken from. */
  readonly space: FileSpace;
  readonly launch: LaunchMode | undefined;
  /** LD_LIBRARY_PATH, split. */
  readonly libraryPath: readonly string[];
  readonly extras: readonly Extra[];
}

/** An application with all that it loads, ready to be composed. */
export interface Assembly {
  readonly name: string;
  readonly tree: FileTree;
  readonly items: readonly Item[];
  readonly launch: Launch;
  /** The words of the boot command: the program and its arguments, without those of the user. */
  readonly command: readonly string[];
  readonly env: ReadonlyMap<string, string>;
  readonly workingDirectory: string | undefined;
  readonly missing: readonly MissingLibrary[];
  readonly trimmed: readonly Trimmed[];
  readonly notes: readonly string[];
  /** Directories that are to be writable. */
  readonly writable: readonly string[];
}

/**
 * Finds what a program loads, decides how it is started, and puts everything where the linker of the image looks for it.
 * Errors: CapstanError `bad-elf`, `wrong-machine` when the kernel is for other processors, `os-…`.
 */
export async function assemble(request: AssembleRequest, context: Context): Promise<Assembly> {
  const { kernel, space } = request;
  const application = visible(request.application);
  const parts = [...application.parts, ...request.extras.map((extra) => partOfExtra(extra))];
  const linker = createLinker({ space, libraryPath: request.libraryPath });
  const whole = linker.closure(application.executable.source);
  checkMachine(whole.program.elf, kernel);
  const launch = chooseLaunch({
    asked: request.launch,
    kernel,
    closure: whole,
    prefersLinux: application.prefersLinux,
  });
  // What the launch looks for in the image; the first one has looked for all that the program needs on its own system.
  const launchLinker = launch.mode === "native" ? nativeLinker(request) : linker;
  const loaded = launch.mode === "native" ? launchLinker.closure(whole.program.path) : whole;
  const tree = new ProgramTree(space, context);
  for (const part of parts) await tree.add(part);
  const places = new LibraryPlaces({ space, mode: launch.mode, parts, program: application.executable });
  addProgram(tree, application, loaded, launch);
  const missing = [...loaded.missing];
  // Libraries name the loader too; it is in its place already.
  const isLoader = ({ realPath }: LoadedObject) => realPath === whole.interpreter?.realPath;
  addLibraries(
    tree,
    loaded.libraries.filter((object) => !isLoader(object)),
    places,
  );
  for (const plugin of pluginsOf({ application, space, parts }, context)) {
    const closure = pluginClosure(launchLinker, plugin, loaded);
    if (closure === undefined) continue;
    addLibraries(
      tree,
      closure.libraries.filter((object) => !isLoader(object)),
      places,
    );
    missing.push(...closure.missing);
  }
  return {
    name: application.name,
    tree: tree.tree,
    items: tree.items(),
    launch,
    command: [...commandStart(application, loaded, { launch, kernel }), ...application.args],
    env: application.env,
    workingDirectory: application.workingDirectory,
    missing,
    trimmed: application.trimmed,
    notes: application.notes,
    writable: application.writable,
  };
}

/** An interpreter of the user's own keeps its path, unless the kernel mounts something over that. */
function visible(application: Application): Application {
  const { source, target } = application.executable;
  if (!isMountedOver(target)) return application;
  return { ...application, executable: { source, target: `/usr/bin/${posix.basename(target)}` } };
}

/** What OSv's own linker is to find in the image: what the kernel supplies, and what only that needs, is left out. */
function nativeLinker({ space, libraryPath, kernel }: AssembleRequest): Linker {
  return createLinker({ space, libraryPath, supplied: kernel.supplies });
}

function checkMachine({ machine, path }: ElfFile, kernel: Kernel): void {
  if (machine === kernel.machine) return;
  throw new CapstanError(`${path} is a program for ${machine}, and ${kernel.title} runs on ${kernel.machine}`, {
    code: "wrong-machine",
    exitCode: ExitCode.badData,
    hint: `Build the program for ${kernel.machine}, or name a loader for ${machine} with --loader_image.`,
  });
}

function addProgram(
  tree: ProgramTree,
  { executable, recognised }: Application,
  closure: Closure,
  launch: Launch,
): void {
  const role = recognised.kind === "elf" ? "program" : "interpreter";
  tree.addFile(executable.target, { source: executable.source, role, neededBy: ["the boot command"] });
  const { interpreter } = closure;
  if (launch.mode !== "linux" || interpreter === undefined) return;
  const neededBy = [executable.target];
  tree.addFile(loaderTarget(closure), { source: interpreter.path, role: "loader", neededBy });
}

/** The dynamic loader has its place in the program. */
function loaderTarget({ program, interpreter }: Closure): string {
  return program.elf.interpreter ?? interpreter?.path ?? "";
}

function addLibraries(tree: ProgramTree, libraries: readonly LoadedObject[], places: LibraryPlaces): void {
  for (const object of libraries) {
    const place = places.of(object);
    if (place.kind === "there") continue;
    const neededBy = object.neededBy.map((path) => places.targetOf(path) ?? path);
    if (place.kind === "link") tree.addLink(place.target, { to: place.to, role: "library", neededBy });
    else tree.addFile(place.target, { source: object.path, role: "library", neededBy });
  }
}

interface PluginSearch {
  readonly application: Application;
  readonly space: FileSpace;
  readonly parts: readonly Part[];
}

/**
 * ELF objects that the program opens by itself: those that its interpreter is known for, those of --with, and files that its
 * arguments name.
 */
function pluginsOf({ application, space, parts }: PluginSearch, { reporter }: Context): ReadonlySet<string> {
  const given = parts.flatMap((part) => {
    if (part.kind !== "file" && part.kind !== "folder") return [];
    if (part.role === "with") {
      const files = elfFilesAt(part.source, space, MOST_PLUGINS + 1);
      if (files.length > MOST_PLUGINS) reporter.report({ kind: "warning", text: tooMany(part.source) });
      return files.slice(0, MOST_PLUGINS);
    }
    return part.kind === "file" && part.neededBy === "the arguments" && isInSpace(part, space)
      ? elfFilesAt(part.source, space, 1)
      : [];
  });
  const isThere = (path: string) => space.find(path)?.type === "file";
  return new Set([...application.plugins.filter(isThere), ...given]);
}

/** Of one folder of --with. */
const MOST_PLUGINS = 2000;

function tooMany(folder: string): string {
  return `--with ${folder} has more than ${MOST_PLUGINS} ELF files: what the further ones need does not go in with them.`;
}

/** A file of this machine may have a namesake in another system. */
function isInSpace({ source, sourceSpace }: Part & { readonly kind: "file" }, space: FileSpace): boolean {
  return sourceSpace === "system" || space.name === "/" || !isSystemPath(source);
}

/** A plugin that cannot be read is the check's to tell of; it may be one of many that nobody opens, or for other processors. */
function pluginClosure(linker: Linker, plugin: string, loadedBefore: Closure): Closure | undefined {
  try {
    const closure = linker.closure(plugin, { loadedBefore });
    return closure.program.elf.machine === loadedBefore.program.elf.machine ? closure : undefined;
  } catch (error) {
    if (error instanceof CapstanError) return undefined;
    throw error;
  }
}

function commandStart(
  { executable }: Application,
  closure: Closure,
  { launch, kernel }: { readonly launch: Launch; readonly kernel: Kernel },
): readonly string[] {
  const isExplicit = launch.mode === "linux" && kernel.can.linuxLoader !== "interpreter";
  return isExplicit && closure.interpreter !== undefined
    ? [loaderTarget(closure), executable.target]
    : [executable.target];
}
