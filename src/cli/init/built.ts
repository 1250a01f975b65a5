import { existsSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { readTextFile } from "../../project/text-file.ts";
import { CapstanError } from "../../support/errors.ts";
import type { Candidate, Description } from "./candidate.ts";

type Names = ReadonlySet<string>;

/** Source: the Cargo book, "The Manifest Format". */
export function rustCandidates(folder: string, names: Names): readonly Candidate[] {
  if (!names.has("Cargo.toml")) return [];
  const tables = tomlTables(readTextFile(join(folder, "Cargo.toml"), "Cargo.toml") ?? "");
  const bins = tables.filter(({ name }) => name === "[bin]").flatMap(({ values }) => values.get("name") ?? []);
  const own = tables.find(({ name }) => name === "package")?.values;
  const programs = [...new Set([own?.get("default-run"), ...bins, own?.get("name")])].filter(
    (name) => name !== undefined,
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
  const last =
    module
      ?.replace(/\/v\d+$/, "")
      .split("/")
      .at(-1) ?? basename(folder);
  const atTop = [...names].some((name) => name.endsWith(".go") && isMain(join(folder, name)));
  const commands = atTop || !names.has("cmd") ? [] : readdirSync(join(folder, "cmd"));
  const programs =
    commands.length === 0 ? [{ name: last, path: "." }] : commands.map((name) => ({ name, path: `./cmd/${name}` }));
  return programs.map(({ name, path }) => ({
    kind: "go",
    title: `the Go program ${name}`,
    // OSv loads programs at places of its choice: they have to be position-independent.
    describe: () => native(`go build -buildmode=pie -o build/${name} ${path}`, `build/${name}`),
  }));
}

function isMain(path: string): boolean {
  return /^package\s+main\b/m.test(readTextFile(path, path) ?? "");
}

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
  const built =
    isGradle && existsSync(libs) ? readdirSync(libs).filter((name) => /(?<!-plain|-sources)\.jar$/.test(name)) : [];
  const gradle = names.has("gradlew") ? "./gradlew -q assemble" : "gradle -q assemble";
  return [...built.map((name) => candidate(`build/libs/${name}`, gradle)), ...jars.map((name) => candidate(name))];
}

/** What a POM inherits, and what it builds with, have names and versions too. */
function withoutParent(pom: string): string {
  return pom.replace(/<(parent|dependencies|build|profiles|properties)>[\s\S]*?<\/\1>/g, "");
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
