import { join } from "node:path";
import { quoted } from "../project/text-file.ts";
import { readYamlFile, type YamlMap } from "../project/yaml-file.ts";
import { writeFileAtomically } from "../support/atomic.ts";
import { MiB } from "../support/bytes.ts";
import { CapstanError, doing, isErrno } from "../support/errors.ts";
import { readRegularFile } from "../support/regular-file.ts";

/**
 * What `package add` was told, and what it copied: meta/programs.yaml and meta/programs.files of a project.
 * The second one is JSON Lines, an object a file, since there can be thousands.
 */
export interface ProgramRecord {
  /** The one that the programs were added for; undefined: the usual one. */
  readonly loader?: string | undefined;
  readonly programs: readonly RecordedProgram[];
  /** By their paths in the project, with a leading slash. */
  readonly files: ReadonlyMap<string, RecordedFile>;
}

export interface RecordedProgram {
  /** As it was named; relative to the project's folder where it was named so. */
  readonly path: string;
  readonly launch: string | undefined;
  readonly with: readonly string[];
  readonly interpreter: string | undefined;
  readonly libraryPath: readonly string[];
  readonly sysroot: string | undefined;
  readonly trim: boolean;
}

export interface RecordedFile {
  /** Of the content, in hexadecimal digits; for a link `-> ` and its target. */
  readonly digest: string;
  /** On this machine; undefined for what was made. */
  readonly from: string | undefined;
  /** "libssl3 3.0.17-1": the distribution's package that it is of. */
  readonly package: string | undefined;
  readonly why: string;
}

export const PROGRAMS_FILE = "meta/programs.yaml";
export const FILES_FILE = "meta/programs.files";

/** Undefined where nothing has been added to the project. Errors: CapstanError `bad-yaml`, `bad-program-files`. */
export function readProgramRecord(folder: string): ProgramRecord | undefined {
  const record = readYamlFile(join(folder, PROGRAMS_FILE), { name: PROGRAMS_FILE }, (root) => ({
    loader: root.string("loader"),
    programs: root.maps("programs").map(([path, map]) => readProgram(path, map)),
  }));
  return record && { ...record, files: readFiles(join(folder, FILES_FILE)) };
}

/** The list of files first: what is recorded too much is found again, what is recorded too little would be lost. */
export async function writeProgramRecord(folder: string, { loader, programs, files }: ProgramRecord): Promise<void> {
  const lines = [...files].map(([path, file]) => `${JSON.stringify({ path, ...file })}\n`);
  await writeFileAtomically(join(folder, FILES_FILE), lines.join(""));
  await writeFileAtomically(join(folder, PROGRAMS_FILE), formatPrograms(loader, programs));
}

const LAUNCHES: readonly string[] = ["native", "linux", "static"];

function readProgram(path: string, map: YamlMap): RecordedProgram {
  return {
    path,
    launch: map.string("launch", (text) =>
      LAUNCHES.includes(text) ? undefined : `${quoted(text)} is no way to start a program: ${LAUNCHES.join(", ")}`,
    ),
    with: map.strings("with"),
    interpreter: map.string("interpreter"),
    libraryPath: map.strings("library_path"),
    sysroot: map.string("sysroot"),
    trim: map.flag("trim") ?? true,
  };
}

/** In JSON's strings, which are YAML's double-quoted ones. */
function formatPrograms(loader: string | undefined, programs: readonly RecordedProgram[]): string {
  const lines = [
    "# Written by `capstan package add`. `capstan package refresh` brings what is copied up to date;",
    `# ${FILES_FILE} tells where each file came from.`,
    ...(loader === undefined ? [] : [`loader: ${JSON.stringify(loader)}`]),
    "programs:",
  ];
  for (const program of programs) {
    const body = [
      ...scalar("launch", program.launch),
      ...scalar("interpreter", program.interpreter),
      ...scalar("sysroot", program.sysroot),
      ...list("library_path", program.libraryPath),
      ...list("with", program.with),
      ...(program.trim ? [] : ["    trim: false"]),
    ];
    lines.push(`  ${JSON.stringify(program.path)}:${body.length === 0 ? " {}" : ""}`, ...body);
  }
  return `${lines.join("\n")}\n`;
}

function scalar(key: string, value: string | undefined): readonly string[] {
  return value === undefined ? [] : [`    ${key}: ${JSON.stringify(value)}`];
}

function list(key: string, values: readonly string[]): readonly string[] {
  return values.length === 0 ? [] : [`    ${key}:`, ...values.map((value) => `      - ${JSON.stringify(value)}`)];
}

function readFiles(path: string): ReadonlyMap<string, RecordedFile> {
  const files = new Map<string, RecordedFile>();
  for (const [index, line] of readLines(path).entries()) {
    if (line === "") continue;
    const file = parseLine(line);
    if (file === undefined) throw badFiles(index + 1);
    files.set(file.path, file.recorded);
  }
  return files;
}

/** Some hundred bytes a file. */
const LONGEST_LIST = 64 * MiB;

function readLines(path: string): readonly string[] {
  return doing(`Reading ${FILES_FILE}`, () => {
    try {
      return readRegularFile(path, { name: FILES_FILE, limit: LONGEST_LIST }).toString("utf8").split("\n");
    } catch (error) {
      if (isErrno(error, "ENOENT")) return [];
      throw error;
    }
  });
}

function parseLine(line: string): { readonly path: string; readonly recorded: RecordedFile } | undefined {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value !== "object" || value === null) return undefined;
    const text = (key: string) => {
      const found: unknown = Reflect.get(value, key);
      return typeof found === "string" ? found : undefined;
    };
    const [path, digest] = [text("path"), text("digest")];
    // A path from elsewhere could lead anywhere, and what is recorded may be removed.
    const isSafe = path?.startsWith("/") && !path.split("/").some((name) => name === ".." || name === ".");
    if (path === undefined || digest === undefined || !isSafe) return undefined;
    return { path, recorded: { digest, from: text("from"), package: text("package"), why: text("why") ?? "" } };
  } catch {
    return undefined;
  }
}

function badFiles(line: number): CapstanError {
  return new CapstanError(`${FILES_FILE}:${line}:1: this line is no record of a file`, {
    code: "bad-program-files",
    hint: `Remove ${FILES_FILE}, then run 'capstan package refresh --force'.`,
  });
}
