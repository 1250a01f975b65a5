import type { ElfFile } from "../elf/elf-file.ts";
import type { FoundHow } from "./closure.ts";
import {
  type Candidate,
  joinPath,
  type Loaded,
  type Loading,
  otherMachine,
  type SearchRules,
  withoutSlashes,
} from "./search.ts";
import { expandTokens, type Tokens } from "./tokens.ts";

export interface GlibcOptions {
  readonly libraryPath: readonly string[];
  readonly defaultDirectories: readonly string[];
  /** Where the cache says that a library is. */
  readonly cached: (name: string) => readonly string[];
  /** Subdirectories of glibc-hwcaps that the CPU is good for, the best first. */
  readonly hwcaps: readonly string[];
  readonly tokens: Omit<Tokens, "ORIGIN">;
}

/**
 * The rules of glibc: ld.so(8), and _dl_map_object in elf/dl-load.c for the order. Three things are left out on purpose.
 * Relative directories, of which the empty one is the most common: they mean the folder that a program is started in, which
 * an image has not. The subdirectories for CPU abilities of before glibc-hwcaps ("tls", "haswell"; removed in 2.37).
 * LD_PRELOAD and /etc/ld.so.preload, which are no needs of the program.
 */
export function glibcRules(options: GlibcOptions): SearchRules {
  const tokensOf = ({ origin }: Loading): Tokens => ({ ...options.tokens, ORIGIN: origin });
  return {
    order: "breadth",
    showsRealPath: false,
    opensBy: "program",
    wanted: (name, asker) => expandTokens(name, tokensOf(asker)),
    loaded: (name, { byName }) => byName.get(name),
    names: ({ elf, path }, asked) => (elf.soname === undefined ? [asked, path] : [asked, path, elf.soname]),
    candidates: (name, asker, loaded) => candidates(name, { asker, loaded, options, tokensOf }),
    refusal,
  };
}

/** open_verify in elf/dl-load.c: what is for another machine is passed over; all else that is wrong ends the start. */
function refusal(elf: ElfFile, program: ElfFile): { why: string; goOn: boolean } | undefined {
  const other = otherMachine(elf, program);
  if (other !== undefined) return { why: other, goOn: true };
  if (elf.byteOrder !== program.byteOrder) return { why: `is ${elf.byteOrder}-endian`, goOn: false };
  if (elf.kind === "other") return { why: "is neither a program nor a library", goOn: false };
  return undefined;
}

interface Search {
  readonly asker: Loading;
  readonly loaded: Loaded;
  readonly options: GlibcOptions;
  readonly tokensOf: (object: Loading) => Tokens;
}

function* candidates(name: string, search: Search): Generator<Candidate> {
  const { asker, loaded, options } = search;
  if (name.includes("/")) {
    if (name.startsWith("/")) yield { path: name, how: "path" };
    return;
  }
  const inEach = (entries: readonly string[], of: Loading, how: FoundHow) =>
    inDirectories(name, { entries, of, how }, search);
  if (asker.elf.runpath.length === 0) {
    for (const object of withRpathFor(asker, loaded.program)) yield* inEach(object.elf.rpath, object, "rpath");
  }
  yield* inEach(options.libraryPath, loaded.program, "library-path");
  yield* inEach(asker.elf.runpath, asker, "runpath");
  const { defaultDirectories } = options;
  for (const path of options.cached(name)) {
    // By the start of the path, so that "/lib/" takes in all below it: as glibc does it.
    const isDefault = defaultDirectories.some((directory) => path.startsWith(`${directory}/`));
    if (!(asker.elf.noDefaultLibraries && isDefault)) yield { path, how: "cache" };
  }
  if (asker.elf.noDefaultLibraries) return;
  for (const directory of defaultDirectories) yield* inDirectory(name, { directory, how: "default" }, options);
}

/** The object, what loaded it, and so on; the program in any case. RPATH does not count in an object that has a RUNPATH. */
function* withRpathFor(asker: Loading, program: Loading): Generator<Loading> {
  let object: Loading | undefined = asker;
  let sawProgram = false;
  for (; object !== undefined; object = object.loader) {
    sawProgram ||= object === program;
    if (object.elf.runpath.length === 0) yield object;
  }
  if (!sawProgram && program.elf.runpath.length === 0) yield program;
}

interface Entries {
  readonly entries: readonly string[];
  readonly of: Loading;
  readonly how: FoundHow;
}

function* inDirectories(name: string, { entries, of, how }: Entries, search: Search): Generator<Candidate> {
  for (const through of entries) {
    const directory = withoutSlashes(expandTokens(through, search.tokensOf(of)));
    if (directory.startsWith("/")) yield* inDirectory(name, { directory, how, through }, search.options);
  }
}

interface Directory {
  readonly directory: string;
  readonly how: FoundHow;
  readonly through?: string;
}

function* inDirectory(name: string, { directory, ...why }: Directory, { hwcaps }: GlibcOptions): Generator<Candidate> {
  for (const hwcap of hwcaps) yield { path: joinPath(directory, `glibc-hwcaps/${hwcap}/${name}`), ...why };
  yield { path: joinPath(directory, name), ...why };
}
