import { posix } from "node:path";
import { type FileSpace, readWhole } from "../../filesystems/file-space.ts";
import { MiB } from "../../support/bytes.ts";
import type { Part } from "../application.ts";
import { APP_FOLDER, userSpace } from "./places.ts";

export interface NeighbourRules {
  /** What may be left out of a name, such as ".rb" in `require_relative "lib/x"`; files with these endings are read as well. */
  readonly endings: readonly string[];
  /** Names of a language's own form that are no quoted paths: "Foo/Bar.pm" for `use Foo::Bar`. */
  readonly names?: ((source: string) => readonly string[]) | undefined;
  /** The script's own files that are in the image already: they are read as well. */
  readonly known?: readonly string[] | undefined;
  /** Where the folder of the script lands in the image. */
  readonly target?: string | undefined;
}

/**
 * What a script names of the files beside it: quoted words of its source that are files below its folder, such as a page, a
 * template or another source, and some folders by their usual names. They keep their places to the script.
 */
export function neighbourParts(script: string, rules: NeighbourRules): Part[] {
  const folder = posix.dirname(script);
  const taken = new Map<string, "file" | "folder">();
  const target = rules.target ?? APP_FOLDER;
  const known = new Set([script, ...(rules.known ?? [])]);
  const pending = [...known];
  for (let path = pending.shift(); path !== undefined && taken.size < MOST; path = pending.shift()) {
    const source = textOf(path, userSpace);
    for (const name of [...quotedNames(source), ...(rules.names?.(source) ?? [])]) {
      const found = lookUp(name, { folders: [posix.dirname(path), folder], endings: rules.endings, root: folder });
      if (found === undefined || found.path === script || taken.has(found.path) || known.has(found.path)) continue;
      taken.set(found.path, found.kind);
      if (rules.endings.some((ending) => found.path.endsWith(ending))) pending.push(found.path);
    }
  }
  return [...taken].map(([path, kind]) => ({
    kind,
    source: path,
    sourceSpace: "user",
    target: posix.join(target, posix.relative(folder, path)),
    role: kind === "file" && rules.endings.some((ending) => path.endsWith(ending)) ? "script" : "data",
    neededBy: posix.join(target, posix.basename(script)),
  }));
}

function quotedNames(source: string): string[] {
  const names = [...source.matchAll(QUOTED)].map(([, , name]) => (name ?? "").replace(/^\/+/, ""));
  return [...new Set(names)];
}

interface LookUp {
  readonly folders: readonly string[];
  readonly endings: readonly string[];
  /** Nothing above it is taken. */
  readonly root: string;
}

function lookUp(name: string, { folders, endings, root }: LookUp) {
  for (const folder of new Set(folders)) {
    const base = posix.join(folder, name);
    if (!base.startsWith(root === "/" ? root : `${root}/`)) continue;
    for (const path of [base, ...endings.map((ending) => base + ending)]) {
      const type = userSpace.find(path)?.type;
      if (type === "file") return { path, kind: "file" } as const;
      if (type === "directory" && posix.dirname(path) === root && FOLDERS.has(posix.basename(path))) {
        return { path, kind: "folder" } as const;
      }
    }
  }
  return undefined;
}

function textOf(path: string, space: FileSpace): string {
  const found = space.find(path);
  return found?.type === "file" && found.size <= LARGEST ? readWhole(found).toString("utf8") : "";
}

const MOST = 2000;
const LARGEST = 2 * MiB;
/** Words in quotes that could be the path of a file. */
const QUOTED = /(["'`])((?:\.{0,2}\/)*[\w@][\w@ .+-]{0,99}(?:\/[\w@][\w@ .+-]{0,99}){0,8})\1/g;
const FOLDERS = new Set(
  "assets config data i18n inc include lib libs local locale locales migrations public resources src static templates vendor views www".split(
    " ",
  ),
);
