import { type Candidate, folderOf, joinPath, type Loading, otherMachine, type SearchRules } from "./search.ts";

/** The directories that OSv's linker always looks in. Source: program::program in core/elf.cc. */
export const OSV_DIRECTORIES = ["/", "/usr/lib"] as const;

/**
 * The rules of OSv's own linker: object::load_needed and program::load_object in core/elf.cc, the same in v0.57.0 and in
 * 2026. RUNPATH of the object, or its RPATH where it has none, with $ORIGIN (not ${ORIGIN}) as the folder that the object
 * really is in; then "/" and "/usr/lib". LD_LIBRARY_PATH is not read. Each object is loaded with all that it needs before the
 * next; the first file of the name is taken, and one that is for another machine ends the start. dlopen gives
 * no directories of its own (libc/dlfcn.cc).
 */
export function osvRules(): SearchRules {
  return {
    order: "depth",
    showsRealPath: true,
    opensBy: "nobody",
    wanted: (name) => name,
    loaded: (name, { byName }) => byName.get(name),
    names: ({ elf, realPath }) => (elf.soname === undefined ? [realPath] : [realPath, elf.soname]),
    candidates,
    refusal: (elf, program) => {
      const why =
        otherMachine(elf, program) ?? (elf.kind === "other" ? "is neither a program nor a library" : undefined);
      return why === undefined ? undefined : { why, goOn: false };
    },
  };
}

function* candidates(name: string, asker: Loading): Generator<Candidate> {
  if (name.includes("/")) {
    // What is relative is so to the working directory, which is "/" when a program starts.
    yield { path: name.startsWith("/") ? name : `/${name}`, how: "path" };
    return;
  }
  const { runpath, rpath } = asker.elf;
  const how = runpath.length > 0 ? "runpath" : "rpath";
  for (const through of runpath.length > 0 ? runpath : rpath) {
    const directory = through.replaceAll("$ORIGIN", () => folderOf(asker.realPath));
    yield { path: joinPath(directory.startsWith("/") ? directory : `/${directory}`, name), how, through };
  }
  for (const directory of OSV_DIRECTORIES) yield { path: joinPath(directory, name), how: "default" };
}
