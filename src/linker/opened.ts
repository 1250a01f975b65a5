import type { ElfFile } from "../elf/elf-file.ts";
import type { FileSpace } from "../filesystems/file-space.ts";
import type { Closure, LoadedObject } from "./closure.ts";
import type { Inspector } from "./inspect.ts";
import { loadNeeds, toLoadedObject } from "./load.ts";
import { noSuchFile, openProgram } from "./program.ts";
import { folderOf, type Loading, type SearchRules } from "./search.ts";

export interface Opening {
  /** Of the program that runs. */
  readonly before: Closure;
  readonly space: FileSpace;
  readonly inspector: Inspector;
  readonly rules: SearchRules;
  readonly supplied: ReadonlySet<string>;
}

/** What dlopen loads: a library by its path, or by a name that is looked for as if the program needed it. */
export function opened(path: string, { before, space, inspector, rules, supplied }: Opening): Closure {
  const { program, interpreter, libraries: old } = loadedAgain(before);
  const start = { program, interpreter, before: old, missing: [] };
  const options = { inspector, rules, supplied };
  const { interpreter: shown } = before;
  if (path.includes("/")) {
    const { name, realPath, elf } = openProgram(path, space, inspector);
    const known = old.find((object) => object.realPath === realPath);
    if (known !== undefined) return { program: toLoadedObject(known), interpreter: shown, libraries: [], missing: [] };
    const origin = folderOf(path);
    const first: Loading = { ...program, name, path, realPath, elf, how: "path", loader: program, origin };
    return { program: toLoadedObject(first), interpreter: shown, ...loadNeeds({ ...start, first }, options) };
  }
  const first: Loading = { ...program, elf: asksFor(path, program.elf, rules) };
  const { libraries, missing } = loadNeeds({ ...start, first }, { ...options, supplied: without(supplied, path) });
  const known = old.find(({ name, elf }) => name === path || elf.soname === path);
  const object = libraries[0] ?? (known && toLoadedObject(known)) ?? noSuchFile(path, space);
  return { program: { ...object, neededBy: [] }, interpreter: shown, libraries: libraries.slice(1), missing };
}

function asksFor(name: string, elf: ElfFile, { opensBy }: SearchRules): ElfFile {
  return { ...elf, needed: [name], ...(opensBy === "program" ? {} : { rpath: [], runpath: [] }) };
}

/** What loaded an object is the first that needs it. */
function loadedAgain({ program, interpreter, libraries }: Closure) {
  const again = ({ neededBy, ...object }: LoadedObject, loader: Loading | undefined, origin: string): Loading => {
    return { ...object, neededBy: new Set(neededBy), loader, origin: folderOf(origin) };
  };
  const main = again(program, undefined, program.realPath);
  const byPath = new Map([[main.path, main]]);
  const loaded = libraries.map((library) => {
    const object = again(library, byPath.get(library.neededBy[0] ?? "") ?? main, library.path);
    byPath.set(object.path, object);
    return object;
  });
  return {
    program: main,
    interpreter: interpreter && again(interpreter, undefined, interpreter.path),
    libraries: loaded,
  };
}

function without<T>(all: ReadonlySet<T>, one: T): ReadonlySet<T> {
  return new Set([...all].filter((other) => other !== one));
}
