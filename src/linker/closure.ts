import type { ElfFile } from "../elf/elf-file.ts";

/** All that is loaded when a program starts, in the order in which the dynamic linker loads it. */
export interface Closure {
  readonly program: LoadedObject;
  /** PT_INTERP, where it is there. */
  readonly interpreter: LoadedObject | undefined;
  /** Breadth first, as the linker goes; without the program, and without the interpreter unless something needs it by name. */
  readonly libraries: readonly LoadedObject[];
  readonly missing: readonly MissingLibrary[];
}

export interface LoadedObject {
  /** As it was first asked for: a DT_NEEDED name, or the path of the program. */
  readonly name: string;
  /** In the space where it was found, as the linker itself would print it: links are not followed. */
  readonly path: string;
  /** In the space, free of links. */
  readonly realPath: string;
  readonly how: FoundHow;
  /** The entry of RPATH, RUNPATH or library path that it was found through, as written ("$ORIGIN/../lib"). */
  readonly through: string | undefined;
  /** The paths (`path`) of the objects that name it in DT_NEEDED, in load order; empty for the program. */
  readonly neededBy: readonly string[];
  readonly elf: ElfFile;
}

export type FoundHow =
  | "program"
  | "interpreter"
  /** The name has a slash in it. */
  | "path"
  | "rpath"
  | "runpath"
  | "library-path"
  | "cache"
  | "default";

export interface MissingLibrary {
  /** The DT_NEEDED name, or the path of the interpreter. */
  readonly name: string;
  readonly neededBy: readonly string[];
  /** Files of that name that were looked at and could not be taken, and why ("is for aarch64", "is no ELF file"). */
  readonly refused: readonly { readonly path: string; readonly why: string }[];
}
