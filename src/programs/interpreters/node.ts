import { basename, posix, resolve } from "node:path";
import type { Context } from "../../support/context.ts";
import type { Application, ApplicationRequest, InterpreterSupport, Part } from "../application.ts";
import { neighbourParts } from "./neighbours.ts";
import { parseNodeCommand } from "./node/command.ts";
import { commonFolder, type NodeScan, packageOf, resolveFile, scanScripts } from "./node/modules.ts";
import { packageRules, projectRules } from "./node/trim.ts";
import { packagesAbove } from "./node/workspace.ts";
import { APP_FOLDER, nameFrom, userSpace } from "./places.ts";
import { isWithin, joinTrimmed, type Survey, surveyFolder } from "./survey.ts";

/** Node.js: one program with all of its library inside, but for what distributions keep apart; and the user's files. */
export const node: InterpreterSupport = {
  name: "node",
  knows: (executable) => /^node(js)?[\d.]*$/.test(executable),
  describe,
};

function describe(request: ApplicationRequest, interpreter: string, context: Pick<Context, "cwd">): Application {
  const { recognised, space } = request;
  const executable = space.find(interpreter)?.realPath ?? interpreter;
  const started = startOf(request, context.cwd);
  const shared = DISTRIBUTION_FOLDERS.map((folder) =>
    surveyFolder({
      space,
      sourceSpace: "system",
      folder,
      target: folder,
      role: "standard library",
      neededBy: executable,
    }),
  ).filter((one) => one !== undefined);
  const surveys = [...shared, ...started.surveys];
  return {
    recognised,
    name: nameFrom(recognised.path),
    executable: { source: executable, target: executable },
    args: [...(started.interpreterArgs ?? recognised.interpreterArgs), ...started.args, ...(recognised.mainArgs ?? [])],
    env: new Map([["NODE_ENV", "production"], ...(recognised.env ?? [])]),
    parts: [...surveys.flatMap(({ folder, outside }) => [folder, ...outside]), ...started.parts],
    plugins: shared.flatMap(({ objects }) => objects),
    trimmed: joinTrimmed(surveys.map(({ trimmed }) => trimmed)),
    writable: [],
    prefersLinux: "Node.js reads /proc/self/maps when it starts, which ends a native start on OSv",
    notes: [...(recognised.notes ?? []), ...started.notes],
  };
}

interface Started {
  /** In the place of the recognised ones. */
  readonly interpreterArgs?: readonly string[] | undefined;
  readonly args: readonly string[];
  readonly parts: readonly Part[];
  readonly surveys: readonly Survey[];
  readonly notes: readonly string[];
}

function startOf(request: ApplicationRequest, cwd: string): Started {
  const { recognised, trim } = request;
  if (recognised.kind === "node-project") return ofProject(request);
  if (recognised.kind === "node-script") return ofScript(recognised.path, trim);
  return ofArguments(request, cwd);
}

function ofProject({ recognised, trim }: ApplicationRequest): Started {
  const { path: folder, main = "index.js", interpreterArgs } = recognised;
  const { preloads } = parseNodeCommand(interpreterArgs);
  const own = preloads
    .filter((path) => RELATIVE.test(path))
    .map((path) => resolveFile(posix.join(folder, path), userSpace));
  const scripts = [posix.join(folder, main), ...own.filter((path) => path !== undefined)] as const;
  const scan = scanScripts(scripts, userSpace);
  const named = preloads.filter((path) => !OWN_FILE.test(path)).map((path) => packageOf(path));
  const project = surveyFolder({
    ...USERS,
    folder,
    target: APP_FOLDER,
    rules: trim ? projectRules(folder, userSpace) : [],
  });
  // Node.js looks for packages in the folders above its files: here that is the root.
  const above = packagesAbove(folder, { names: [...scan.names, ...named], space: userSpace });
  const packages = [...above].map(([name, path]) =>
    surveyFolder({
      ...USERS,
      folder: path,
      target: posix.join("/node_modules", name),
      role: "library",
      rules: trim ? packageRules() : [],
      neededBy: APP_FOLDER,
    }),
  );
  return {
    // In a project of Capstan's, programs start in the root: paths that are relative to the folder would lead nowhere.
    interpreterArgs: interpreterArgs.map((word) => {
      const [, flag = "", path = word] = /^(--[a-z]+=)(.*)$/s.exec(word) ?? [];
      return preloads.includes(path) && RELATIVE.test(path) ? flag + posix.resolve(APP_FOLDER, path) : word;
    }),
    args: [posix.join(APP_FOLDER, main)],
    parts: scan.files
      .filter((path) => !isWithin(path, folder))
      .map((source) => ({
        ...{ kind: "file", sourceSpace: "user", role: "script", neededBy: APP_FOLDER },
        ...{ source, target: posix.resolve(APP_FOLDER, posix.relative(folder, source)) },
      })),
    surveys: [...packages, project].filter((one) => one !== undefined),
    notes: missingNotes(scan.missing),
  };
}

/** The script with what it loads, all in the same places to each other as on this machine. */
function ofScript(path: string, trim: boolean): Started {
  const scan = scanScripts([path], userSpace);
  const base = commonFolder([...scan.files, ...scan.packages, ...manifestsOf(scan)]);
  const place = (one: string) => posix.join(APP_FOLDER, posix.relative(base, one));
  const started = ofScan(scan, { place, trim, script: path });
  const known = [...scan.files, ...manifestsOf(scan)];
  return {
    ...started,
    args: [place(path)],
    parts: [...neighbourParts(path, { endings: [], known, target: place(posix.dirname(path)) }), ...started.parts],
  };
}

/** Node.js itself is the program: the script among the words for it goes in as they all do; here is what it loads. */
function ofArguments({ userArgs, trim }: ApplicationRequest, cwd: string): Started {
  const { preloads, script } = parseNodeCommand(userArgs);
  const words = [...(script === undefined ? [] : [script]), ...preloads.filter((path) => OWN_FILE.test(path))];
  const [first, ...others] = words
    .map((word) => resolveFile(resolve(cwd, word), userSpace))
    .filter((path) => path !== undefined);
  if (first === undefined) return { args: [], parts: [], surveys: [], notes: [] };
  const isAbsolute = posix.isAbsolute(words[0] ?? "");
  const place = (one: string) => (isAbsolute ? one : posix.resolve("/", posix.relative(cwd, one)));
  const started = ofScan(scanScripts([first, ...others], userSpace), { place, trim, script: first });
  const named = new Set(words.map((word) => resolve(cwd, word)));
  return { ...started, parts: started.parts.filter((part) => !("source" in part && named.has(part.source))) };
}

interface Placing {
  /** Where a path of this machine lands in the image. */
  readonly place: (path: string) => string;
  readonly trim: boolean;
  readonly script: string;
}

function ofScan(scan: NodeScan, { place, trim, script }: Placing): Started {
  // Two may land in one place: what is nearer to the script lies over the rest.
  const packages = scan.packages.toSorted((a, b) => a.length - b.length);
  const surveys = packages.map((folder) =>
    surveyFolder({
      ...USERS,
      folder,
      target: place(folder),
      rules: trim ? packageRules() : [],
      neededBy: basename(script),
    }),
  );
  const parts = [...scan.files, ...manifestsOf(scan)].map(
    (source): Part => ({
      kind: "file",
      source,
      target: place(source),
      sourceSpace: "user",
      role: "script",
      neededBy: source === script ? "the command line" : place(script),
    }),
  );
  return {
    args: [],
    parts,
    surveys: surveys.filter((one) => one !== undefined),
    notes: missingNotes(scan.missing),
  };
}

function manifestsOf({ manifest }: NodeScan): readonly string[] {
  return manifest === undefined ? [] : [manifest];
}

function missingNotes(missing: readonly string[]): string[] {
  if (missing.length === 0) return [];
  const [subject, verb] = missing.length === 1 ? ["The package", "is"] : ["The packages", "are"];
  return [`${subject} ${missing.join(", ")} ${verb} in no node_modules folder: run npm install first.`];
}

/** Paths of files, in the place of names of packages. */
const OWN_FILE = /^\.{0,2}\//;
const RELATIVE = /^\.{1,2}\//;
const USERS = { space: userSpace, sourceSpace: "user", role: "script", neededBy: "the command line" } as const;
/** Debian builds Node.js with some of its own modules kept there. */
const DISTRIBUTION_FOLDERS = ["/usr/share/nodejs"];
