import type { ElfFile } from "../elf/elf-file.ts";
import { type FileSpace, type FoundFile, readWhole } from "../filesystems/file-space.ts";
import { MiB } from "../support/bytes.ts";
import { CapstanError } from "../support/errors.ts";
import { type MachineFacts, machineFacts } from "./machines.ts";

/** What the dynamic linker of a program does by itself, where no RPATH says anything. */
export interface InterpreterFacts {
  readonly libc: "glibc" | "musl";
  /** Absolute, without a slash at the end, in the order in which they are searched. */
  readonly defaultDirectories: readonly string[];
  /** Where its cache is; undefined for musl, which has none. */
  readonly cache: string | undefined;
  /** What $LIB stands for. */
  readonly lib: string;
}

/**
 * The default directories of the program's own dynamic linker: Debian's looks in /usr/lib as well, Fedora's only in /lib64
 * and /usr/lib64. They are read from the linker itself where it is there; otherwise they are what the distribution that the
 * space looks like has. For a library, which names no linker: the machine's.
 */
export function defaultDirectories(elf: ElfFile, space: FileSpace): readonly string[] {
  return interpreterFacts(elf, space).defaultDirectories;
}

/** The path of the linker of a program; for a library the first of the usual ones that is there. */
export function interpreterPath(elf: ElfFile, space: FileSpace): string | undefined {
  if (elf.interpreter !== undefined) return elf.interpreter;
  const usual = machineFacts(elf).interpreters.filter((path) => isMuslName(path) === needsMusl(elf));
  return usual.find((path) => space.find(path)?.type === "file");
}

export function interpreterFacts(elf: ElfFile, space: FileSpace): InterpreterFacts {
  const path = interpreterPath(elf, space);
  const machine = machineFacts(elf);
  if (path === undefined ? needsMusl(elf) : isMuslName(path)) {
    return { libc: "musl", defaultDirectories: muslDirectories(space, path, machine), cache: undefined, lib: "lib" };
  }
  const file = path === undefined ? undefined : space.find(path);
  const inside = file?.type === "file" ? lookInside(file) : undefined;
  const directories = inside?.directories ?? guessDirectories(space, machine);
  return {
    libc: "glibc",
    defaultDirectories: directories,
    cache: inside?.cache ?? "/etc/ld.so.cache",
    lib: (directories[0] ?? machine.lib).replace(/^\/(usr\/)?/, ""),
  };
}

function isMuslName(path: string): boolean {
  return /(^|\/)ld-musl-[^/]*$/.test(path);
}

function needsMusl(elf: ElfFile): boolean {
  return elf.needed.some((name) => /^libc\.musl-/.test(name));
}

/** Of glibc's linker: 200 KiB. */
const MAX_LINKER = 8 * MiB;

/**
 * glibc's linker has its directories in its read-only data as NUL-terminated texts, one behind the other, each with a slash
 * at its end (system_dirs in elf/dl-load.c), and the path of its cache (LD_SO_CACHE in elf/dl-cache.c).
 */
function lookInside(file: FoundFile): { directories: string[] | undefined; cache: string | undefined } | undefined {
  if (file.size > MAX_LINKER) return undefined;
  let text: string;
  try {
    text = readWhole(file, MAX_LINKER).toString("latin1");
  } catch (error) {
    if (error instanceof CapstanError) return undefined;
    throw error;
  }
  const runs = [...text.matchAll(SYSTEM_DIRECTORIES)].map(([run]) => run.split("\0").filter((path) => path !== ""));
  const run = runs.find((paths) => paths.every((path) => path.includes("/lib")));
  return {
    directories: run?.map((path) => path.slice(0, -1)),
    cache: text.match(CACHE_PATH)?.[1],
  };
}

const SYSTEM_DIRECTORIES = /(?<=\0)(?:\/(?:[\w.+-]{1,255}\/){1,16}\0){1,8}/g;
const CACHE_PATH = /\0(\/(?:[\w.+-]{1,255}\/){0,16}ld\.so\.cache)\0/;

/** musl's own list, or the file that takes its place; below the folder two levels above the linker. Source: ldso/dynlink.c. */
function muslDirectories(space: FileSpace, path: string | undefined, { musl }: MachineFacts): string[] {
  const architecture = path?.match(/ld-musl-([^/]+?)\.so/)?.[1] ?? musl;
  const prefix = path?.startsWith("/") ? path.replace(/\/[^/]*\/[^/]*$/, "") : "";
  const file = space.find(`${prefix === path ? "" : prefix}/etc/ld-musl-${architecture}.path`);
  const list = file?.type === "file" && file.size < MiB ? readWhole(file).toString("utf8") : MUSL_DIRECTORIES;
  return list.split(/[:\n]/).filter((directory) => directory.startsWith("/"));
}

const MUSL_DIRECTORIES = "/lib:/usr/local/lib:/usr/lib";

/** Without the linker, as in a folder of libraries alone: Debian's where its directory is there, otherwise glibc's own. */
function guessDirectories(space: FileSpace, { multiarch, lib }: MachineFacts): string[] {
  const debian =
    multiarch !== undefined && [`/lib/${multiarch}`, `/usr/lib/${multiarch}`].some((path) => space.find(path));
  if (debian) return [`/lib/${multiarch}`, `/usr/lib/${multiarch}`, "/lib", "/usr/lib"];
  return [`/${lib}`, `/usr/${lib}`];
}
