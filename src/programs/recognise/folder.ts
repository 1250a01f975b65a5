import { existsSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { hostError } from "../../filesystems/host-error.ts";
import type { Recognised } from "../application.ts";
import { recogniseNodeProject } from "./node-project.ts";
import { notRunnable } from "./refusal.ts";

/** What a folder is that is named as an application. Errors: CapstanError `not-runnable`, `bad-package-json`, `os-…`. */
export function recogniseFolder(folder: string, isNamedAsProgram: boolean): Recognised {
  const names = new Set(namesIn(folder));
  if (names.size === 0) throw notRunnable(folder, "is an empty folder", "Name a program, a script or a project.");
  if (!isNamedAsProgram && existsSync(join(folder, "meta", "package.yaml"))) {
    throw notRunnable(folder, "is a Capstan project", "Go into it, and run it there: cd FOLDER && capstan run.");
  }
  if (names.has("package.json")) return recogniseNodeProject(folder);
  if (names.has("__main__.py")) return pythonPackage(folder, names.has("__init__.py"));
  throw notRunnable(folder, ...whatElse(names));
}

/** With __init__.py it is started as a module, so that its relative imports work; without, as a folder. */
function pythonPackage(folder: string, isModule: boolean): Recognised {
  const name = basename(folder);
  return {
    kind: "python-package",
    title: "a Python package",
    path: folder,
    interpreter: "python3",
    interpreterArgs: [],
    main: isModule && /^[A-Za-z_]\w*$/.test(name) ? name : undefined,
  };
}

/** What an unknown folder looks like, and what to do. */
function whatElse(names: ReadonlySet<string>): [what: string, hint: string] {
  const known = FOLDERS.find(([marks]) => marks.some((mark) => names.has(mark)));
  if (known !== undefined) return [known[1], known[2]];
  const jars = [...names].filter((name) => name.endsWith(".jar"));
  if (jars.length > 0)
    return ["is a folder with Java archives", `Name the one to start: capstan run FOLDER/${jars.sort()[0]}.`];
  const script = SCRIPTS.find((name) => names.has(name));
  if (script !== undefined) return ["is a folder with scripts", `Name the one to start: capstan run FOLDER/${script}.`];
  return [
    "is a folder without package.json and without __main__.py",
    "Name the program or the script in it that is to be started.",
  ];
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    throw hostError(error, folder);
  }
}

const SCRIPTS = [
  "main.py",
  "app.py",
  "server.py",
  "index.js",
  "server.js",
  "app.js",
  "main.js",
  "index.php",
  "main.rb",
  "app.rb",
];

const FOLDERS: readonly (readonly [marks: readonly string[], what: string, hint: string])[] = [
  [["Cargo.toml"], "is a Rust project", "Build it first (cargo build --release), and name the program below target/."],
  [["go.mod"], "is a Go project", "Build it first (go build -buildmode=pie), and name the program that comes out."],
  [["pom.xml"], "is a Maven project", "Build it first (mvn package), and name the jar below target/."],
  [
    ["build.gradle", "build.gradle.kts"],
    "is a Gradle project",
    "Build it first (gradle jar), and name the jar below build/libs/.",
  ],
  [
    ["manage.py"],
    "is a Django project",
    "Name its script: capstan run FOLDER/manage.py -- runserver --noreload 0.0.0.0:8000.",
  ],
  [
    ["pyproject.toml", "setup.py"],
    "is a Python project without __main__.py",
    "Name the script in it that is to be started.",
  ],
  [
    ["CMakeLists.txt", "Makefile", "configure"],
    "is a project that has to be built",
    "Build it first, and name the program that comes out.",
  ],
  [["index.html"], "is a folder of web pages", "Name a web server, and give it the folder."],
];
