import type { Distribution } from "../distributions/distribution.ts";
import type { FileSpace } from "../filesystems/file-space.ts";
import type { FileTree } from "../filesystems/filetree.ts";
import { chosenOf, walk } from "../filesystems/tree-walk.ts";
import type { Kernel } from "../kernels/kernel.ts";
import type { Closure } from "../linker/closure.ts";
import { createLinker, type Linker } from "../linker/linker.ts";
import { type BootPrograms, bootPrograms } from "./boot-programs.ts";

/** What is checked. */
export interface CheckInput {
  /** The image, for the contents of its files. */
  readonly space: FileSpace;
  /** The image, for names, links and modes. */
  readonly tree: FileTree;
  /** Whether the modes in the tree are those that the files had: not after it was read back from a ROFS image. */
  readonly hasModes: boolean;
  readonly commandLine: string;
  /** Leaves out the configuration sets that the command line does not run. */
  readonly onlyBooted?: boolean | undefined;
  readonly kernel: Kernel;
  /** Of this machine: to name packages. */
  readonly distribution?: Distribution | undefined;
  /** This machine: to say where a missing library lies on it. */
  readonly hostSpace?: FileSpace | undefined;
}

/** The image while it is looked at: what rules ask for more than once. */
export interface ImageInCheck extends CheckInput {
  readonly boot: BootPrograms;
  /** The programs that start, as far as they can be read: filled by the rule of the boot command. */
  readonly started: Started[];
  /** Real paths of what the boot command names and cannot be read: the same rule tells why. */
  readonly refused: Set<string>;
  linkerFor(view: LinkerView): Linker;
  /** Where files and links of this name lie in the image. */
  named(name: string): readonly string[];
}

/** A program that the boot command starts, with all that is loaded for it. */
export interface Started {
  readonly path: string;
  readonly mode: "native" | "linux" | "static";
  readonly view: LinkerView;
  readonly closure: Closure;
}

/** With whose eyes libraries are looked for. */
export interface LinkerView {
  readonly rules: "osv" | "system";
  readonly libraryPath: readonly string[] | undefined;
}

export function openImage(input: CheckInput): ImageInCheck {
  const linkers = new Map<string, Linker>();
  const asked = new Map<string, readonly string[]>();
  let names: Map<string, string[]> | undefined;
  return {
    ...input,
    boot: bootPrograms(input.space, input.commandLine),
    started: [],
    refused: new Set(),
    linkerFor: (view) => {
      const key = JSON.stringify(view);
      const linker = linkers.get(key) ?? makeLinker(input, view);
      linkers.set(key, linker);
      return linker;
    },
    named: (name) => {
      // Most images ask for a name or two, and need no table of all.
      if (asked.size >= FEW_NAMES) names ??= pathsByName(input.tree);
      const paths = asked.get(name) ?? (names === undefined ? pathsOf(input.tree, name) : (names.get(name) ?? []));
      asked.set(name, paths);
      return paths;
    },
  };
}

function makeLinker({ space, kernel }: CheckInput, { rules, libraryPath }: LinkerView): Linker {
  return createLinker({ space, rules, libraryPath, ...(rules === "osv" ? { supplied: kernel.supplies } : {}) });
}

const FEW_NAMES = 4;

function pathsOf(tree: FileTree, wanted: string): readonly string[] {
  return chosenOf(tree, (name, entry) => name === wanted && entry.type !== "directory").map(({ path }) => path);
}

function pathsByName(tree: FileTree): Map<string, string[]> {
  const names = new Map<string, string[]>();
  for (const { path, entry } of walk(tree)) {
    if (entry.type === "directory") continue;
    const name = path.slice(path.lastIndexOf("/") + 1);
    const paths = names.get(name);
    if (paths === undefined) names.set(name, [path]);
    else paths.push(path);
  }
  return names;
}
