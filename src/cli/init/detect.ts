import { readdirSync, type Stats, statSync } from "node:fs";
import { basename, extname, join } from "node:path";
import { hostError } from "../../filesystems/host-error.ts";
import { sortByBytes } from "../../filesystems/names.ts";
import { recognise } from "../../programs/recognise.ts";
import { CapstanError, ExitCode } from "../../support/errors.ts";
import { goCandidates, javaCandidates, rustCandidates } from "./built.ts";
import { type Candidate, type Description, KINDS } from "./candidate.ts";
import { siteCandidates } from "./site.ts";

/** What a folder may be, the best first; empty where nothing is known in it. Nothing is started. */
export function detect(folder: string): readonly Candidate[] {
  const names = new Set(namesIn(folder));
  const found = [
    ...nodeCandidates(folder, names),
    ...rustCandidates(folder, names),
    ...goCandidates(folder, names),
    ...javaCandidates(folder, names),
    ...pythonCandidates(folder, names),
    ...elfCandidates(folder),
    ...siteCandidates(folder, names),
  ];
  return found.sort((a, b) => KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind));
}

/** What the user names as the program. Error: CapstanError `not-runnable`, `no-such-file`. */
export function candidateOf(program: string, folder: string): Candidate {
  const path = join(folder, program);
  if (statOf(path) === undefined) {
    throw new CapstanError(`There is no ${path}`, {
      code: "no-such-file",
      hint: "Check the path: it starts in the folder of the project.",
      exitCode: ExitCode.noInput,
    });
  }
  const { kind, title } = recognise(path);
  const family = kind.startsWith("node")
    ? "node"
    : kind.startsWith("python")
      ? "python"
      : kind.startsWith("ja")
        ? "java"
        : "elf";
  return { kind: family, title: `${program}, ${title}`, describe: () => described(program, family, kind !== "elf") };
}

function described(program: string, family: Candidate["kind"], isScript: boolean): Description {
  const main = `/${program}`;
  if (family === "node" || family === "python" || family === "java") {
    return { program, runtime: { name: family, main: ["main", main] } };
  }
  return { program, ...(isScript ? {} : { runtime: { name: "native", main: ["bootcmd", main] } }) };
}

function nodeCandidates(folder: string, names: ReadonlySet<string>): readonly Candidate[] {
  if (!names.has("package.json")) return [];
  const describe = (): Description => {
    const { main } = recognise(folder, { isNamedAsProgram: true });
    const installs = names.has("node_modules") ? undefined : installCommand(names);
    return { build: installs, program: ".", runtime: { name: "node", main: ["main", `/${main}`] } };
  };
  return [{ kind: "node", title: "the Node.js project of package.json", describe }];
}

/** What a lock file names is installed as it says. */
function installCommand(names: ReadonlySet<string>): string | undefined {
  return names.has("package-lock.json") ? "npm ci --omit=dev" : undefined;
}

const SCRIPTS = ["main.py", "app.py", "server.py", "manage.py"];

function pythonCandidates(folder: string, names: ReadonlySet<string>): readonly Candidate[] {
  const scripts = SCRIPTS.filter((name) => names.has(name));
  const isPackage = names.has("__main__.py");
  return [...(isPackage ? ["."] : []), ...scripts].map((program) => ({
    kind: "python",
    title: program === "." ? "the Python program of __main__.py" : `the Python program ${program}`,
    describe: () => {
      recognise(join(folder, program));
      const args = program === "manage.py" ? ["runserver", "--noreload", "0.0.0.0:8000"] : undefined;
      const main = program === "." ? "/__main__.py" : `/${program}`;
      return { program, args, runtime: { name: "python", main: ["main", main], args } };
    },
  }));
}

/** Programs, not libraries, where they are usually made. */
function elfCandidates(folder: string): readonly Candidate[] {
  return ["", "bin/", "build/"].flatMap((prefix) =>
    namesIn(join(folder, prefix))
      .map((name) => prefix + name)
      .filter((path) => isProgram(join(folder, path)))
      .map(
        (path) =>
          ({ kind: "elf", title: `the program ${path}`, describe: () => described(path, "elf", false) }) as const,
      ),
  );
}

function isProgram(path: string): boolean {
  const stats = statOf(path);
  if (stats?.isFile() !== true || (stats.mode & 0o111) === 0) return false;
  if (/\.so(\.|$)/.test(basename(path)) || [".o", ".a"].includes(extname(path))) return false;
  try {
    return recognise(path).kind === "elf";
  } catch (error) {
    if (error instanceof CapstanError) return false;
    throw error;
  }
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    // A link in a circle, or what may not be looked at: no program of this project.
    return undefined;
  }
}

/** Empty for a folder that is not there. */
function namesIn(folder: string): readonly string[] {
  if (statOf(folder)?.isDirectory() !== true) return [];
  try {
    return sortByBytes(readdirSync(folder));
  } catch (error) {
    throw hostError(error, folder);
  }
}
