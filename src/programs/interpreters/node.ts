import { basename, posix } from "node:path";
import type { Application, ApplicationRequest, InterpreterSupport, Part } from "../application.ts";
import { neighbourParts } from "./neighbours.ts";
import { commonFolder, scanScript } from "./node/modules.ts";
import { packageRules, projectRules } from "./node/trim.ts";
import { APP_FOLDER, nameFrom, userSpace } from "./places.ts";
import { joinTrimmed, type Survey, surveyFolder } from "./survey.ts";

/** Node.js: one program with all of its library inside, but for what distributions keep apart; and the user's files. */
export const node: InterpreterSupport = {
  name: "node",
  knows: (executable) => /^node(js)?[\d.]*$/.test(executable),
  describe,
};

function describe(request: ApplicationRequest, interpreter: string): Application {
  const { recognised, space } = request;
  const executable = space.find(interpreter)?.realPath ?? interpreter;
  const started = startOf(request);
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
    args: [...recognised.interpreterArgs, ...started.args, ...(recognised.mainArgs ?? [])],
    env: new Map([["NODE_ENV", "production"], ...(recognised.env ?? [])]),
    parts: [...surveys.flatMap(({ folder, outside }) => [folder, ...outside]), ...started.parts],
    plugins: shared.flatMap(({ objects }) => objects),
    trimmed: joinTrimmed(surveys.map(({ trimmed }) => trimmed)),
    writable: [],
    prefersLinux: "Node.js reads /proc/self/maps when it starts, which ends a native start on OSv",
    notes: started.notes,
  };
}

interface Started {
  readonly args: readonly string[];
  readonly parts: readonly Part[];
  readonly surveys: readonly Survey[];
  readonly notes: readonly string[];
}

function startOf(request: ApplicationRequest): Started {
  const { kind, path, main } = request.recognised;
  if (kind === "node-project") return ofProject(path, { main: main ?? "index.js", trim: request.trim });
  if (kind === "node-script") return ofScript(path, request.trim);
  return { args: [], parts: [], surveys: [], notes: [] };
}

function ofProject(folder: string, { main, trim }: { readonly main: string; readonly trim: boolean }): Started {
  const survey = surveyFolder({
    ...USERS,
    folder,
    target: APP_FOLDER,
    rules: trim ? projectRules(folder, userSpace) : [],
  });
  const target = posix.join(APP_FOLDER, main);
  const { missing } = scanScript(posix.join(folder, main), userSpace);
  return { args: [target], parts: [], surveys: survey === undefined ? [] : [survey], notes: missingNotes(missing) };
}

/** The script with what it loads, all in the same places to each other as on this machine. */
function ofScript(path: string, trim: boolean): Started {
  const scan = scanScript(path, userSpace);
  const manifest = scan.manifest === undefined ? [] : [scan.manifest];
  const base = commonFolder([...scan.files, ...scan.packages, ...manifest]);
  const place = (one: string) => posix.join(APP_FOLDER, posix.relative(base, one));
  const surveys = scan.packages.map((folder) =>
    surveyFolder({
      ...USERS,
      folder,
      target: place(folder),
      rules: trim ? packageRules() : [],
      neededBy: basename(path),
    }),
  );
  const parts = [...scan.files, ...manifest].map(
    (source): Part => ({
      kind: "file",
      source,
      target: place(source),
      sourceSpace: "user",
      role: "script",
      neededBy: source === path ? "the command line" : place(path),
    }),
  );
  const known = [...scan.files, ...manifest];
  return {
    args: [place(path)],
    parts: [...neighbourParts(path, { endings: [], known, target: place(posix.dirname(path)) }), ...parts],
    surveys: surveys.filter((one) => one !== undefined),
    notes: missingNotes(scan.missing),
  };
}

function missingNotes(missing: readonly string[]): string[] {
  if (missing.length === 0) return [];
  const [subject, verb] = missing.length === 1 ? ["The package", "is"] : ["The packages", "are"];
  return [`${subject} ${missing.join(", ")} ${verb} in no node_modules folder: run npm install first.`];
}

const USERS = { space: userSpace, sourceSpace: "user", role: "script", neededBy: "the command line" } as const;
/** Debian builds Node.js with some of its own modules kept there. */
const DISTRIBUTION_FOLDERS = ["/usr/share/nodejs"];
