import { basename } from "node:path";
import { isElf } from "../../../elf/reader.ts";
import { type FileSpace, withOpenFile } from "../../../filesystems/file-space.ts";
import type { FileTree, TreeEntry } from "../../../filesystems/filetree.ts";
import { hostSpace } from "../../../filesystems/host-space.ts";
import { insert } from "../../../filesystems/tree-builder.ts";
import { treeSpace } from "../../../filesystems/tree-space.ts";
import type { Kernel } from "../../../kernels/kernel.ts";
import type { Closure, LoadedObject } from "../../../linker/closure.ts";
import { createLinker } from "../../../linker/linker.ts";
import { chooseLaunch } from "../../../programs/launch.ts";
import { parseCommandLine } from "../../../project/boot-command.ts";
import type { Context } from "../../../support/context.ts";
import { CapstanError } from "../../../support/errors.ts";
import { machineDistribution } from "../../check-image.ts";

export interface LibrariesRequest {
  /** All that is in the image so far. */
  readonly tree: FileTree;
  /** Files of packages: those of them that are ELF are looked at. */
  readonly files: readonly string[];
  readonly kernel: Kernel;
  readonly commandLine: string;
}

export interface AddedEntry {
  readonly path: string;
  readonly entry: TreeEntry;
}

/**
 * What the programs and libraries of packages need and the image has not, as far as this machine has it: found as the dynamic
 * linker would, with the image over this machine. What neither has is told.
 */
export function librariesOf(request: LibrariesRequest, context: Context): readonly AddedEntry[] {
  const { tree, kernel } = request;
  const image = treeSpace(tree, "the image");
  const space = over(image, hostSpace("/"));
  const mode = launchMode(request, space);
  const supplied = mode === "native" ? kernel.supplies : undefined;
  const linker = createLinker({ space, ...(supplied === undefined ? {} : { supplied }) });
  const added = new Map<string, TreeEntry>();
  const missing = new Map<string, string>();
  for (const file of request.files) {
    const closure = closureOf(file, image, (path) => linker.closure(path));
    if (closure === undefined || closure.program.elf.machine !== kernel.machine) continue;
    for (const { name, neededBy } of closure.missing) missing.set(name, neededBy[0] ?? file);
    const { interpreter } = closure;
    if (mode === "linux" && interpreter !== undefined) {
      put(added, image, { path: closure.program.elf.interpreter ?? interpreter.path, object: interpreter, space });
    }
    for (const object of closure.libraries) addLibrary(added, object, { image, space, mode });
  }
  tellMissing(missing, context);
  return [...added].map(([path, entry]) => ({ path, entry }));
}

/** Puts them into a tree. */
export function insertLibraries(tree: FileTree, libraries: readonly AddedEntry[]): void {
  for (const { path, entry } of libraries) insert(tree, path, entry);
}

/** One space over another: what the upper one has not is looked for in the lower one. */
function over(upper: FileSpace, lower: FileSpace): FileSpace {
  return {
    name: upper.name,
    find: (path) => upper.find(path) ?? lower.find(path),
    list: (path) => {
      const [above, below] = [upper.list(path), lower.list(path)];
      return above === undefined || below === undefined ? (above ?? below) : [...new Set([...above, ...below])].sort();
    },
    readLink: (path) => upper.readLink(path) ?? (upper.find(path) === undefined ? lower.readLink(path) : undefined),
  };
}

type Mode = "native" | "linux";

/** How the boot command's program starts: which libraries the kernel brings hangs on it. */
function launchMode({ kernel, commandLine, tree }: LibrariesRequest, space: FileSpace): Mode {
  const words = parseCommandLine(commandLine).commands.map((command) => command.words[0] ?? "");
  if (words.some((word) => /^ld-(linux|musl)|^ld\.so/.test(basename(word))) || !kernel.can.native) return "linux";
  if (kernel.can.linuxLoader !== "interpreter") return "native";
  const linker = createLinker({ space });
  const image = treeSpace(tree, "the image");
  const closures = words.flatMap((word) => closureOf(word, image, (path) => linker.closure(path)) ?? []);
  return closures.some((closure) => chooseLaunch({ asked: undefined, kernel, closure }).mode === "linux")
    ? "linux"
    : "native";
}

/** Undefined for what is no ELF, or cannot be read as one: the check of the image tells of that. */
function closureOf(path: string, image: FileSpace, find: (path: string) => Closure): Closure | undefined {
  const file = image.find(path);
  if (file?.type !== "file" || !withOpenFile(file, isElf)) return undefined;
  try {
    return find(path);
  } catch (error) {
    if (error instanceof CapstanError) return undefined;
    throw error;
  }
}

interface Placing {
  readonly image: FileSpace;
  readonly space: FileSpace;
  readonly mode: Mode;
}

/** OSv's own linker looks in /usr/lib, and by RPATH and RUNPATH; Linux's finds what lies where its system has it. */
function addLibrary(added: Map<string, TreeEntry>, object: LoadedObject, { image, space, mode }: Placing): void {
  const isByPath = object.how === "rpath" || object.how === "runpath" || object.how === "path";
  const place = mode === "linux" || isByPath ? object.path : `/usr/lib/${basename(object.name)}`;
  if (image.find(object.path) === undefined) put(added, image, { path: place, object, space });
  else if (image.find(place) === undefined && !added.has(place)) {
    const target = object.path;
    added.set(place, { type: "symlink", mode: 0o777, mtime: 0, origin: ORIGIN, target });
  }
}

const ORIGIN = "libraries of packages";

interface HostObject {
  readonly path: string;
  readonly object: LoadedObject;
  readonly space: FileSpace;
}

function put(added: Map<string, TreeEntry>, image: FileSpace, { path, object, space }: HostObject): void {
  const found = space.find(object.path);
  if (image.find(path) !== undefined || added.has(path) || found?.hostPath === undefined) return;
  const { mode, mtime, size, hostPath } = found;
  added.set(path, { type: "file", mode, mtime, origin: ORIGIN, size, content: { kind: "host", path: hostPath } });
}

function tellMissing(missing: ReadonlyMap<string, string>, { reporter, env }: Context): void {
  const distribution = missing.size === 0 ? undefined : machineDistribution(env);
  for (const [name, neededBy] of missing) {
    const provider = distribution?.providerOf(name);
    const kind = distribution?.manager === "rpm" ? "rpm" : "deb";
    reporter.report({
      kind: "warning",
      text: `${neededBy} needs ${name}, which neither the image nor this machine has.`,
      hint: provider === undefined ? "Add the package that has it." : `Add '${kind}:${provider}' to 'packages'.`,
    });
  }
}
