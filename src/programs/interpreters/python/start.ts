import { basename, dirname, isAbsolute, join, posix, resolve } from "node:path";
import type { FoundFile } from "../../../filesystems/file-space.ts";
import type { Context } from "../../../support/context.ts";
import type { ApplicationRequest, Part } from "../../application.ts";
import { APP_FOLDER, userSpace } from "../places.ts";
import { importsOf } from "./imports.ts";

/** What of the user's Python is started, and where it lands in the image. */
export interface PythonStart {
  readonly args: readonly string[];
  readonly parts: readonly Part[];
  /** Folders of the image, for PYTHONPATH. */
  readonly pythonPath: readonly string[];
  /** Whose imports are looked for. */
  readonly sources: readonly FoundFile[];
  readonly modules: readonly string[];
  /** On this machine: where the user's own modules lie. */
  readonly localFolder: string | undefined;
  /** In the image: where they land. */
  readonly localTarget: string;
  /** The one file that is started, on this machine; undefined for folders, and for what goes in as an argument. */
  readonly script: string | undefined;
  /** A folder that goes in as a whole. */
  readonly whole: { readonly source: string; readonly target: string } | undefined;
}

export function pythonStart({ recognised, userArgs }: ApplicationRequest, context: Pick<Context, "cwd">): PythonStart {
  if (recognised.kind === "elf") return ofArguments(userArgs, context.cwd);
  if (recognised.kind === "python-package") return ofPackage(recognised.path, recognised.main);
  return ofScript(recognised.path);
}

function ofScript(path: string): PythonStart {
  const target = `${APP_FOLDER}/${basename(path)}`;
  return {
    ...NOTHING,
    args: [target],
    parts: [{ kind: "file", target, source: path, sourceSpace: "user", role: "script", neededBy: "the command line" }],
    sources: path.endsWith(".py") || !/\.py[cz]$/.test(path) ? found([path]) : [],
    localFolder: dirname(path),
    script: path,
  };
}

/** A module is started from the folder above it, whose other modules it may import. */
function ofPackage(path: string, module: string | undefined): PythonStart {
  const target = module === undefined ? APP_FOLDER : `${APP_FOLDER}/${module}`;
  return {
    ...NOTHING,
    args: module === undefined ? [target] : ["-m", module],
    pythonPath: module === undefined ? [] : [APP_FOLDER],
    sources: found([join(path, "__main__.py")]),
    modules: module === undefined ? [] : [module],
    localFolder: module === undefined ? path : dirname(path),
    whole: { source: path, target },
  };
}

/** The interpreter itself is the program: `-m MODULE`, `-c CODE` or a script among the words for it. */
function ofArguments(words: readonly string[], cwd: string): PythonStart {
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? "";
    const option = /^-[A-Za-z]*?([mc])(.*)$/.exec(word.startsWith("--") ? "" : word);
    if (option !== null) {
      const value = option[2] || (words[at + 1] ?? "");
      return { ...NOTHING, modules: option[1] === "m" ? [value] : [...importsOf(value.replaceAll(";", "\n")).modules] };
    }
    if (TAKES_A_VALUE.has(word)) at++;
    else if (!word.startsWith("-")) return ofArgument(word, cwd);
  }
  return NOTHING;
}

/** It goes into the image like every file that a word names; here are its modules. */
function ofArgument(word: string, cwd: string): PythonStart {
  const path = resolve(cwd, word);
  if (userSpace.find(path)?.type !== "file") return NOTHING;
  const target = isAbsolute(word) ? path : posix.resolve("/", word);
  return { ...NOTHING, sources: found([path]), localFolder: dirname(path), localTarget: posix.dirname(target) };
}

function found(paths: readonly string[]): FoundFile[] {
  return paths.map((path) => userSpace.find(path)).filter((file) => file?.type === "file") as FoundFile[];
}

const NOTHING: PythonStart = {
  args: [],
  parts: [],
  pythonPath: [],
  sources: [],
  modules: [],
  localFolder: undefined,
  localTarget: APP_FOLDER,
  script: undefined,
  whole: undefined,
};

const TAKES_A_VALUE = new Set(["-W", "-X", "-Q", "--check-hash-based-pycs"]);
