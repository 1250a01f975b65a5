import { readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { readTextFile } from "../../project/text-file.ts";
import { MiB } from "../../support/bytes.ts";
import { CapstanError } from "../../support/errors.ts";
import { readRegularFile } from "../../support/regular-file.ts";
import type { Candidate, Description } from "./candidate.ts";

type Names = ReadonlySet<string>;

/** Source: the Cargo book, "The Manifest Format". */
export function rustCandidates(folder: string, names: Names): readonly Candidate[] {
  if (!names.has("Cargo.toml")) return [];
  const tables = tomlTables(readTextFile(join(folder, "Cargo.toml"), "Cargo.toml") ?? "");
  const bins = tables.filter(({ name }) => name === "[bin]").flatMap(({ values }) => values.get("name") ?? []);
  const own = tables.find(({ name }) => name === "package")?.values;
  const programs = [...new Set([own?.get("default-run"), ...bins, own?.get("name")])].filter(
    (name) => name !== undefined && isPlainName(name),
  );
  if (programs.length === 0) {
    const describe = () => {
      throw cannotTell("Cargo.toml names no package", "In a workspace, go into the folder of the program's package.");
    };
    return [{ kind: "rust", title: "the Rust project of Cargo.toml", describe }];
  }
  return programs.slice(0, bins.length || 1).map((name) => ({
    kind: "rust",
    title: `the Rust program ${name}`,
    describe: () => native("cargo build --release", `target/release/${name}`),
  }));
}

/** Source: "Go Modules Reference", go.mod files; the folder cmd/ is a custom of Go projects. */
export function goCandidates(folder: string, names: Names): readonly Candidate[] {
  if (!names.has("go.mod")) return [];
  const module = /^module\s+"?([^\s"]+)"?/m.exec(readTextFile(join(folder, "go.mod"), "go.mod") ?? "")?.[1];
  const last = [
    module
      ?.replace(/\/v\d+$/, "")
      .split("/")
      .at(-1),
    basename(folder),
    "program",
  ].find((name) => name !== undefined && isPlainName(name));
  const atTop = [...names].some((name) => name.endsWith(".go") && isMain(join(folder, name)));
  const commands = atTop ? [] : foldersIn(join(folder, "cmd")).filter(isPlainName);
  const programs =
    commands.length === 0
      ? [{ name: last ?? "program", path: "." }]
      : commands.map((name) => ({ name, path: `./cmd/${name}` }));
  return programs.map(({ name, path }) => ({
    kind: "go",
    title: `the Go program ${name}`,
    // OSv loads programs at places of its choice: they have to be position-independent.
    describe: () => native(`go build -buildmode=pie -o build/${name} ${path}`, `build/${name}`),
  }));
}

/** Its name becomes a part of a command of the shell. */
function isPlainName(name: string): boolean {
  return /^[A-Za-z0-9_][\w.+-]*$/.test(name);
}

function foldersIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).flatMap((one) => (one.isDirectory() ? [one.name] : []));
  } catch {
    return [];
  }
}

function filesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** A larger file was generated, and those beside it are of the same package. */
function isMain(path: string): boolean {
  try {
    return /^package\s+main\b/m.test(readRegularFile(path, { limit: LARGEST_SOURCE }).toString("latin1"));
  } catch {
    return false;
  }
}

const LARGEST_SOURCE = 4 * MiB;

export function javaCandidates(folder: string, names: Names): readonly Candidate[] {
  const jars = [...names].filter((name) => name.endsWith(".jar"));
  const candidate = (program: string, build?: string): Candidate => ({
    kind: "java",
    title: `the Java program ${program}`,
    describe: () => ({ build, program, runtime: { name: "java", main: ["main", `/${program}`] } }),
  });
  if (names.has("pom.xml")) {
    const pom = withoutParent(readTextFile(join(folder, "pom.xml"), "pom.xml") ?? "");
    const [artifact, version] = ["artifactId", "version"].map(
      (tag) => new RegExp(`<${tag}>\\s*([\\w.-]+)\\s*</${tag}>`).exec(pom)?.[1],
    );
    if (artifact !== undefined && version !== undefined) {
      return [candidate(`target/${artifact}-${version}.jar`, "mvn -q package -DskipTests")];
    }
  }
  const libs = join(folder, "build", "libs");
  const isGradle = names.has("build.gradle") || names.has("build.gradle.kts");
  const built = isGradle ? filesIn(libs).filter((name) => /(?<!-plain|-sources)\.jar$/.test(name)) : [];
  const gradle = names.has("gradlew") ? "./gradlew -q assemble" : "gradle -q assemble";
  return [...built.map((name) => candidate(`build/libs/${name}`, gradle)), ...jars.map((name) => candidate(name))];
}

/** What a POM inherits, and what it builds with, have names and versions too. */
function withoutParent(pom: string): string {
  let rest = pom;
  for (const tag of ["parent", "dependencies", "build", "profiles", "properties"]) rest = withoutElements(rest, tag);
  return rest;
}

/** What nothing closes stays, and is looked for once. */
function withoutElements(text: string, tag: string): string {
  const [opening, closing] = [`<${tag}>`, `</${tag}>`];
  const kept: string[] = [];
  for (let at = 0; ; ) {
    const start = text.indexOf(opening, at);
    const end = start === -1 ? -1 : text.indexOf(closing, start);
    kept.push(text.slice(at, end === -1 ? undefined : start));
    if (end === -1) return kept.join("");
    at = end + closing.length;
  }
}

function native(build: string, program: string): Description {
  return { build, program, runtime: { name: "native", main: ["bootcmd", `/${program}`] } };
}

interface Table {
  /** `package`; of an array of tables, `[bin]`. */
  readonly name: string;
  readonly values: ReadonlyMap<string, string>;
}

/** As much of TOML as names need: tables, and keys with a plain text each. */
function tomlTables(text: string): readonly Table[] {
  const tables: { name: string; values: Map<string, string> }[] = [];
  for (const line of text.split("\n")) {
    const header = /^\s*\[(\[?[\w.-]+\]?)\]\s*(#.*)?$/.exec(line)?.[1];
    if (header !== undefined) tables.push({ name: header, values: new Map() });
    const [, key, value] = /^\s*([\w-]+)\s*=\s*["']([^"']*)["']/.exec(line) ?? [];
    if (key !== undefined && value !== undefined) tables.at(-1)?.values.set(key, value);
  }
  return tables;
}

function cannotTell(what: string, hint: string): CapstanError {
  return new CapstanError(`What to run cannot be told: ${what}`, { code: "nothing-to-init", hint });
}
