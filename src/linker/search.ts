import type { ElfFile } from "../elf/elf-file.ts";
import type { FoundHow } from "./closure.ts";

/** An object while the others are still being found. */
export interface Loading {
  readonly name: string;
  readonly path: string;
  readonly realPath: string;
  readonly how: FoundHow;
  readonly through: string | undefined;
  readonly elf: ElfFile;
  /** The paths of the objects that name it, in load order. */
  readonly neededBy: Set<string>;
  /** Which object made it be loaded; undefined for the program. */
  readonly loader: Loading | undefined;
  /** What $ORIGIN means in it. */
  readonly origin: string;
}

/** Where to look for a library, and why there. */
export interface Candidate {
  readonly path: string;
  readonly how: FoundHow;
  readonly through?: string | undefined;
}

export interface Loaded {
  readonly program: Loading;
  readonly interpreter: Loading | undefined;
  readonly byName: ReadonlyMap<string, Loading>;
}

/** How one dynamic linker goes about it. */
export interface SearchRules {
  /** Whether all that an object needs is loaded before what these need, or each with what it needs. */
  readonly order: "breadth" | "depth";
  /** A DT_NEEDED as it is looked for. */
  wanted(name: string, asker: Loading): string;
  /** The object that is loaded already and answers to the name. */
  loaded(name: string, loaded: Loaded): Loading | undefined;
  /** The names that an object answers to from now on, when it was asked for as `asked`. */
  names(object: Loading, asked: string): readonly string[];
  /** Where it is looked for, in this order. */
  candidates(name: string, asker: Loading, loaded: Loaded): Iterable<Candidate>;
  /** Why this object cannot be taken for the asker's process, and whether other places are tried after it. */
  refusal(elf: ElfFile, program: ElfFile): { readonly why: string; readonly goOn: boolean } | undefined;
  /** By whose RPATH or RUNPATH dlopen looks for a name: the program's, or nobody's. */
  readonly opensBy: "program" | "nobody";
  /** Whether `path` of what was found is shown free of links. */
  readonly showsRealPath: boolean;
}

export function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}

export function withoutSlashes(directory: string): string {
  return directory.replace(/(?<=.)\/+$/, "");
}

export function joinPath(directory: string, name: string): string {
  return directory.endsWith("/") ? directory + name : `${directory}/${name}`;
}

/** Of another machine or class. */
export function otherMachine(elf: ElfFile, program: ElfFile): string | undefined {
  if (elf.machine !== program.machine) return `is for ${elf.machine}`;
  if (elf.bits !== program.bits) return `is for ${elf.bits} bit ${elf.machine}`;
  return undefined;
}
