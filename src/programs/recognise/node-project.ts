import { existsSync, statSync } from "node:fs";
import { join, posix } from "node:path";
import { quotePath } from "../../filesystems/names.ts";
import type { Recognised } from "../application.ts";
import { parseNodeCommand } from "../interpreters/node/command.ts";
import { type PackageJson, readPackageJson } from "./package-json.ts";
import { notRunnable } from "./refusal.ts";
import { wordsOf } from "./words.ts";

/**
 * A folder with a package.json. What is started, in this order: what `npm start` starts, where that is `node FILE …`;
 * "main"; "bin" when it is a single one; index.js or server.js, which npm starts without being told.
 * Errors: CapstanError `not-runnable`, `bad-package-json`.
 */
export function recogniseNodeProject(folder: string): Recognised {
  const manifest = join(folder, "package.json");
  const json = readPackageJson(manifest);
  const start = startOf(json, { folder, manifest });
  return {
    kind: "node-project",
    title: "a Node.js project (package.json)",
    path: folder,
    interpreter: "node",
    interpreterArgs: start.interpreterArgs ?? [],
    main: start.main,
    ...(start.mainArgs === undefined ? {} : { mainArgs: start.mainArgs }),
    ...(start.env === undefined ? {} : { env: start.env }),
    ...(start.notes === undefined ? {} : { notes: start.notes }),
  };
}

interface Start {
  readonly main: string;
  readonly mainArgs?: readonly string[];
  readonly interpreterArgs?: readonly string[];
  readonly env?: ReadonlyMap<string, string>;
  readonly notes?: readonly string[];
}

interface Place {
  readonly folder: string;
  readonly manifest: string;
}

function startOf(json: PackageJson, place: Place): Start {
  const script = json.start === undefined ? undefined : nodeCommand(json.start);
  if (script !== undefined) {
    const main = fileFor(script.main, place);
    if (main !== undefined) return { ...script, main };
    throw notRunnable(
      place.manifest,
      `starts '${script.main}' ("scripts.start"), and there is no such file in the project`,
      missingAdvice(script.main),
    );
  }
  const [bin] = json.bin.length === 1 ? json.bin : [];
  for (const candidate of [json.main, bin, ...DEFAULTS]) {
    const main = candidate === undefined ? undefined : fileFor(candidate, place);
    if (main !== undefined)
      return json.start === undefined ? { main } : { main, notes: [insteadNote(json.start, main)] };
  }
  throw nothingToStart(json, place);
}

function insteadNote(start: string, main: string): string {
  const shown = start.length > LONGEST_SHOWN ? `${start.slice(0, LONGEST_SHOWN)}…` : start;
  return `npm start runs ${quotePath(shown)}, which is not of the form 'node FILE': ${main} is started instead.`;
}

function nothingToStart(json: PackageJson, { manifest }: Place): Error {
  if (json.main !== undefined) {
    return notRunnable(
      manifest,
      `names '${json.main}' as "main", and there is no such file in the project`,
      missingAdvice(json.main),
    );
  }
  if (json.start !== undefined) {
    return notRunnable(
      manifest,
      `starts '${json.start}' ("scripts.start"), which is not of the form 'node FILE'`,
      'Name the JavaScript file that is to be started as "main", or run that file: capstan run FOLDER/FILE.',
    );
  }
  return notRunnable(
    manifest,
    "does not say what to start, and there is no index.js or server.js beside it",
    'Name the file as "main", or run that file: capstan run FOLDER/FILE.',
  );
}

function missingAdvice(file: string): string {
  return /(^|\/)(dist|build|out|lib)\//.test(posix.normalize(file))
    ? "Build the project first (npm run build)."
    : "Correct the path in package.json, or build the project first.";
}

/** The file that Node.js would start for this path, relative to the folder; undefined for none, or one that lies outside. */
function fileFor(path: string, { folder }: Place): string | undefined {
  const relative = posix.normalize(path);
  if (posix.isAbsolute(relative) || relative === ".." || relative.startsWith("../")) return undefined;
  const bare = relative.replace(/\/$/, "");
  const candidates = [bare, ...ENDINGS.map((ending) => bare + ending), posix.join(bare, "index.js")];
  return candidates.find((candidate) => RUNNABLE.test(candidate) && isFile(join(folder, candidate)));
}

function isFile(path: string): boolean {
  return existsSync(path) && statSync(path).isFile();
}

/** `NAME=value node --flag FILE words`; undefined for any other command, and for what needs a shell. */
function nodeCommand(command: string): Start | undefined {
  if (command.length > LONGEST_COMMAND || SHELL_SYNTAX.test(command)) return undefined;
  const words = wordsOf(command);
  const env = new Map<string, string>();
  if (words[0] === "cross-env") words.shift();
  for (let word = words[0]; word !== undefined && VARIABLE.test(word); word = words[0]) {
    env.set(word.slice(0, word.indexOf("=")), word.slice(word.indexOf("=") + 1));
    words.shift();
  }
  if (words.shift() !== "node") return undefined;
  const { options, script, args } = parseNodeCommand(words);
  if (script === undefined) return undefined;
  return {
    main: script,
    mainArgs: args,
    interpreterArgs: options.filter((word) => !word.startsWith("--watch")),
    ...(env.size > 0 ? { env } : {}),
  };
}

const DEFAULTS = ["index.js", "server.js"];
/** What require() tries behind a name, and does not leave to a loader. */
const ENDINGS = [".js", ".cjs", ".mjs"];
/** Not .ts, .json, .node: those are no start of a program. */
const RUNNABLE = /\.[cm]?js$|(^|\/)[^./]+$/;
const VARIABLE = /^[A-Za-z_]\w*=/;
const LONGEST_SHOWN = 200;
const LONGEST_COMMAND = 10_000;
const SHELL_SYNTAX = /[&|;<>$`()*?#\\\n]/;
