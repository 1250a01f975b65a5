import { type Candidate, joinPath, type Loading, otherMachine, type SearchRules } from "./search.ts";

export interface MuslOptions {
  readonly libraryPath: readonly string[];
  readonly defaultDirectories: readonly string[];
}

/**
 * The rules of musl: load_library in ldso/dynlink.c. LD_LIBRARY_PATH first; then RUNPATH or RPATH, both meant the same way,
 * of the object and of all that loaded it; then the linker's own directories. The linker is the C library as well, and
 * answers to all the names that one has elsewhere. SONAMEs mean nothing. Relative directories are left out, as in glibc.ts.
 */
export function muslRules({ libraryPath, defaultDirectories }: MuslOptions): SearchRules {
  return {
    order: "breadth",
    showsRealPath: false,
    opensBy: "program",
    wanted: (name) => name,
    loaded: (name, { byName, interpreter }) => (OWN_NAMES.test(name) ? interpreter : undefined) ?? byName.get(name),
    names,
    candidates: (name, asker) => candidates(name, asker, { libraryPath, defaultDirectories }),
    refusal: (elf, program) => {
      const why =
        otherMachine(elf, program) ?? (elf.kind === "other" ? "is neither a program nor a library" : undefined);
      return why === undefined ? undefined : { why, goOn: false };
    },
  };
}

/** By the last part of its path; what was asked for by a path, and the program, by none. */
function names({ how, path }: Loading): string[] {
  if (how === "path" || how === "program") return [];
  return [how === "interpreter" ? path : path.slice(path.lastIndexOf("/") + 1)];
}

const OWN_NAMES = /^lib(c|pthread|rt|m|dl|util|xnet)\./;

function* candidates(name: string, asker: Loading, options: MuslOptions): Generator<Candidate> {
  if (name.includes("/")) {
    if (name.startsWith("/")) yield { path: name, how: "path" };
    return;
  }
  for (const through of options.libraryPath) {
    if (through.startsWith("/")) yield { path: joinPath(through, name), how: "library-path", through };
  }
  for (let object: Loading | undefined = asker; object !== undefined; object = object.loader) {
    const { runpath, rpath } = object.elf;
    const how = runpath.length > 0 ? "runpath" : "rpath";
    const entries = runpath.length > 0 ? runpath : rpath;
    // One dollar that is no $ORIGIN, and none of the entries counts.
    if (entries.some((entry) => entry.replace(ORIGIN, "").includes("$"))) continue;
    for (const through of entries) {
      const directory = through.replace(ORIGIN, () => object?.origin ?? "");
      if (directory.startsWith("/")) yield { path: joinPath(directory, name), how, through };
    }
  }
  for (const directory of options.defaultDirectories) yield { path: joinPath(directory, name), how: "default" };
}

const ORIGIN = /\$(?:ORIGIN|\{ORIGIN\})/g;
