import type { ElfFile } from "../elf/elf-file.ts";
import type { FileSpace } from "../filesystems/file-space.ts";
import type { Closure } from "./closure.ts";
import { Inspector } from "./inspect.ts";
import { loadNeeds, toLoadedObject } from "./load.ts";
import { opened } from "./opened.ts";
import { findInterpreter, openProgram } from "./program.ts";
import { rulesFinder } from "./rules.ts";
import type { SearchRules } from "./search.ts";

export interface LinkerOptions {
  /** Where files are looked for: this machine, another root, or an image. */
  readonly space: FileSpace;
  /**
   * Whose rules hold. "system" (default): those of the program's own interpreter, glibc's or musl's, with its cache and its
   * ld.so.conf. "osv": OSv's own linker: no cache, "/" and "/usr/lib" and RPATH or RUNPATH (core/elf.cc).
   */
  readonly rules?: "system" | "osv" | undefined;
  /** LD_LIBRARY_PATH, split. OSv's own linker does not read it. */
  readonly libraryPath?: readonly string[] | undefined;
  /** Names that need not be found, such as those that the kernel supplies: they and what they need are left out. */
  readonly supplied?: ReadonlySet<string> | undefined;
  /**
   * Subdirectories of glibc-hwcaps that count, the best first: "x86-64-v3", "x86-64-v2". None by default: the linker of a
   * machine goes by its CPU, but an image may boot on any. `ld.so --help` says which those of this machine are.
   */
  readonly hwcaps?: readonly string[] | undefined;
}

/** Finds what programs load, as the dynamic linker would, by reading alone. Keeps what it has read: one for many programs. */
export interface Linker {
  /**
   * What is loaded when the program at `path` of the space starts. `loadedBefore`: for a library that a running program
   * opens (dlopen), the closure of that program: its objects are there already and are not told again, and its RPATH counts
   * as well. `path` may then be a name without a slash, which is looked for as dlopen does.
   * Errors: CapstanError `not-elf`, `bad-elf`, `no-such-file`, `not-a-file`, and those of opening.
   */
  closure(path: string, options?: { readonly loadedBefore?: Closure | undefined }): Closure;
}

/** Errors of the methods: see Linker. A damaged cache of the space is as none. */
export function createLinker(options: LinkerOptions): Linker {
  const inspector = new Inspector(options.space);
  const rulesFor = rulesFinder(options);
  const supplied = options.supplied ?? new Set<string>();
  return {
    closure: (path, { loadedBefore } = {}) => {
      if (loadedBefore !== undefined) {
        const rules = rulesFor(loadedBefore.program.elf);
        return opened(path, { before: loadedBefore, space: options.space, inspector, rules, supplied });
      }
      return started(path, { space: options.space, inspector, rulesFor, supplied, osv: options.rules === "osv" });
    },
  };
}

interface Starting {
  readonly space: FileSpace;
  readonly inspector: Inspector;
  readonly rulesFor: (elf: ElfFile) => SearchRules;
  readonly supplied: ReadonlySet<string>;
  readonly osv: boolean;
}

function started(path: string, { space, inspector, rulesFor, supplied, osv }: Starting): Closure {
  const program = openProgram(path, space, inspector);
  const { elf } = program;
  const found = findInterpreter(elf, space, inspector);
  // OSv's own linker takes the place of the interpreter.
  const missing = found.missing === undefined || osv ? [] : [{ ...found.missing, neededBy: [path] }];
  const needs = loadNeeds(
    { program, first: program, before: [], interpreter: osv ? undefined : found.interpreter, missing },
    { inspector, rules: rulesFor(elf), supplied },
  );
  const interpreter = elf.interpreter === undefined ? undefined : found.interpreter;
  return {
    program: toLoadedObject(program),
    interpreter: interpreter && { ...toLoadedObject(interpreter), neededBy: [path] },
    ...needs,
  };
}
