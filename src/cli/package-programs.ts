import { existsSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { machineDistribution } from "../compose/check-image.ts";
import { addWritable } from "../compose/program.ts";
import type { Distribution } from "../distributions/distribution.ts";
import type { FileEntry, FileTree } from "../filesystems/filetree.ts";
import { quotePath } from "../filesystems/names.ts";
import { createTree, insert } from "../filesystems/tree-builder.ts";
import { shellQuote } from "../instances/shell-quote.ts";
import { digestInProject, type Installed, install } from "../programs/install.ts";
import type { Item } from "../programs/item.ts";
import type { LaunchMode } from "../programs/launch.ts";
import {
  PROGRAMS_FILE,
  type ProgramRecord,
  type RecordedFile,
  type RecordedProgram,
  writeProgramRecord,
} from "../programs/record.ts";
import { joinWords } from "../project/boot-command.ts";
import { loadProject, type Project } from "../project/project.ts";
import type { Loader } from "../store/loaders.ts";
import { count } from "../support/count.ts";
import { CapstanError, ExitCode } from "../support/errors.ts";
import type { Answer, CommandContext } from "./answer.ts";
import { bootOfProgram, tellProgram } from "./program-report.ts";
import {
  type AssembledProgram,
  type AssembleProgramRequest,
  assembleProgram,
  type ProgramOptions,
} from "./programs.ts";

export interface UpdateRequest {
  readonly project: Project;
  /** All programs that the project is to hold. */
  readonly programs: readonly RecordedProgram[];
  readonly recorded: ProgramRecord | undefined;
  readonly loader: Loader;
  /** As it was named, when it was. */
  readonly loaderName: string | undefined;
  readonly conflicts: "refuse" | "keep" | "replace";
  readonly dryRun: boolean;
}

/** Puts the programs together anew, copies what changed into the project, and notes where each file came from. */
export async function updatePrograms(request: UpdateRequest, context: CommandContext): Promise<Answer> {
  const { project, loader, recorded, dryRun } = request;
  const programs: AssembledProgram[] = [];
  for (const program of request.programs) {
    const path = resolve(project.dir, program.path);
    const options = optionsOf(program, project.dir);
    programs.push(await assembleAgain({ path, userArgs: [], loader, options, project: project.dir }, context));
  }
  for (const program of programs) {
    tellProgram(program, context);
    tellPlace(program, context);
  }
  const tree = mergePrograms(programs, project.dir);
  const sets = uniqueNames(programs.map((program) => setOf(program)));
  const files = new Map(recorded?.files);
  const writesRunConfig = isOurs(project.dir, files.get(RUN_CONFIG)?.digest);
  if (writesRunConfig) insert(tree, RUN_CONFIG, runConfigEntry(sets));
  else files.delete(RUN_CONFIG);
  const installed = await install(
    {
      ...{ tree, dryRun, folder: project.dir, conflicts: request.conflicts },
      recorded: files,
      origin: originOf(programs, context),
    },
    context,
  );
  if (!dryRun) {
    const { programs, loaderName } = request;
    await writeProgramRecord(project.dir, { loader: loaderName, programs, files: installed.files });
  }
  const { files: _files, ...changes } = installed;
  const value = { ...changes, programs: sets, runConfig: writesRunConfig ? RUN_CONFIG.slice(1) : null, dryRun };
  return { value, text: () => render(value) };
}

/** A script of a configuration set can set variables, and no directory: OSv reads --cwd on the boot command line alone. */
function tellPlace(program: AssembledProgram, { reporter }: CommandContext): void {
  const { name, workingDirectory = "/" } = program;
  if (workingDirectory === "/") return;
  const boot = bootOfProgram(program, { args: [], env: new Map() });
  reporter.report({
    kind: "warning",
    text:
      `${name} expects to start in ${workingDirectory}, and meta/run.yaml starts it in /: if it opens files by relative paths, ` +
      `compose it with ${shellQuote(["capstan", "package", "compose", "NAME", "--run", boot])}`,
  });
}

/** Of the project: it starts what was added, as long as nobody has changed it. */
const RUN_CONFIG = "/meta/run.yaml";

function isOurs(folder: string, digest: string | undefined): boolean {
  const there = digestInProject(folder, RUN_CONFIG);
  return there === undefined || there === digest;
}

function runConfigEntry(sets: readonly RunSetText[]): FileEntry {
  const bytes = Buffer.from(formatRunConfig(sets));
  const origin = "the programs that were added";
  return { type: "file", mode: 0o644, mtime: 0, origin, size: bytes.length, content: { kind: "bytes", bytes } };
}

async function assembleAgain(request: AssembleProgramRequest, context: CommandContext): Promise<AssembledProgram> {
  const { sysroot } = request.options;
  if (existsSync(request.path) || (sysroot !== undefined && existsSync(sysroot + request.path)))
    return await assembleProgram(request, context);
  throw new CapstanError(`${quotePath(request.path)} is not there`, {
    code: "no-such-file",
    exitCode: ExitCode.noInput,
    hint: `Check the path; a program that is no longer wanted is removed from ${PROGRAMS_FILE}.`,
  });
}

/** Programs of two folders may have one name. */
function uniqueNames(sets: readonly RunSetText[]): readonly RunSetText[] {
  const taken = new Set<string>();
  return sets.map((set) => {
    let { name } = set;
    for (let number = 2; taken.has(name); number++) name = `${set.name}-${number}`;
    taken.add(name);
    return { ...set, name };
  });
}

export function recordOf(path: string, options: ProgramOptions, project: Project): RecordedProgram {
  const inside = (one: string) => (one.startsWith(`${project.dir}/`) ? relative(project.dir, one) : one);
  const sysroot = options.sysroot === undefined ? undefined : inside(options.sysroot);
  return { ...options, sysroot, path: inside(path), libraryPath: options.libraryPath.map(inside) };
}

/** A project that holds what it was given: its own files are not yet a reason to compose anything. */
export function projectHere(context: CommandContext): Project {
  return loadProject(context.cwd, context);
}

function optionsOf(program: RecordedProgram, dir: string): ProgramOptions {
  return {
    ...program,
    launch: program.launch as LaunchMode | undefined,
    sysroot: program.sysroot === undefined ? undefined : resolve(dir, program.sysroot),
    libraryPath: program.libraryPath.map((path) => resolve(dir, path)),
  };
}

function mergePrograms(programs: readonly AssembledProgram[], folder: string): FileTree {
  const tree = createTree();
  for (const program of programs) insert(tree, "/", program.tree);
  const writable = [...new Set(programs.flatMap((program) => program.writable))];
  if (writable.length > 0 && !existsSync(join(folder, "etc", "fstab"))) addWritable({ name: "", tree, writable });
  return tree;
}

function originOf(
  programs: readonly AssembledProgram[],
  context: CommandContext,
): (path: string) => Omit<RecordedFile, "digest"> {
  const distribution = machineDistribution(context.env);
  const items = itemsOf(programs, context);
  return (path) => {
    for (let at = path; at !== ""; at = at.slice(0, at.lastIndexOf("/"))) {
      const item = items.get(at);
      if (item === undefined) continue;
      const from = item.source === undefined ? undefined : item.source + path.slice(at.length);
      const why = `${item.role}, for ${item.neededBy.join(", ")}`;
      return { from, package: item.type === "file" ? packageText(from, distribution) : undefined, why };
    }
    return { from: undefined, package: undefined, why: "made by Capstan" };
  };
}

/** What several programs share has all of their reasons. */
function itemsOf(programs: readonly AssembledProgram[], { reporter }: CommandContext): ReadonlyMap<string, Item> {
  const items = new Map<string, Item>();
  for (const item of programs.flatMap((program) => program.items)) {
    const before = items.get(item.target);
    const neededBy = [...new Set([...(before?.neededBy ?? []), ...item.neededBy])];
    items.set(item.target, { ...item, neededBy });
    if (before === undefined || before.source === item.source) continue;
    reporter.report({
      kind: "warning",
      text: `Two programs bring ${item.target}, from ${before.source ?? "elsewhere"} and ${item.source ?? "elsewhere"}: the second one is taken.`,
    });
  }
  return items;
}

function packageText(path: string | undefined, distribution: Distribution | undefined): string | undefined {
  const owner = path === undefined ? undefined : distribution?.ownerOf(path);
  return owner && `${owner.name}${owner.version === undefined ? "" : ` ${owner.version}`}`;
}

function setOf(program: AssembledProgram) {
  return {
    name: program.name,
    launch: program.launch.mode,
    reason: program.launch.reason,
    command: joinWords(program.command),
    env: Object.fromEntries(program.env),
    /** Where the program expects to start; the scripts of configuration sets cannot say it. */
    workingDirectory: program.workingDirectory ?? "/",
  };
}

type RunSetText = ReturnType<typeof setOf>;

function formatRunConfig(sets: readonly RunSetText[]): string {
  const lines = ["runtime: native", "", "config_set:"];
  for (const { name, command, env } of sets) {
    lines.push(`  ${JSON.stringify(name)}:`, `    bootcmd: ${JSON.stringify(command)}`);
    const variables = Object.entries(env).map(([key, value]) => `      ${key}: ${JSON.stringify(value)}`);
    if (variables.length > 0) lines.push("    env:", ...variables);
  }
  return `${lines.join("\n")}\n\nconfig_set_default: ${JSON.stringify(sets[0]?.name ?? "")}\n`;
}

type Value = Omit<Installed, "files"> & {
  readonly programs: readonly RunSetText[];
  readonly runConfig: string | null;
  readonly dryRun: boolean;
};

function render(value: Value): string {
  const lines = [
    ...mark("+", value.added),
    ...mark("~", value.changed),
    ...mark("-", value.removed),
    ...value.kept.map((path) => `! ${path} (edited here: left as it is; --force replaces it)`),
  ];
  const { added, changed, removed, kept } = value;
  const total = [
    `${added.length} added`,
    `${changed.length} changed`,
    `${removed.length} removed`,
    ...(kept.length === 0 ? [] : [`${kept.length} left`]),
    `${value.unchanged} unchanged`,
  ];
  const programs = value.programs.map(({ name, command, launch }) => `${name}: ${command} (${launch})`);
  const written =
    value.runConfig === null ? ["meta/run.yaml is left as it is: see that it starts what is named above"] : [];
  return `${[...lines, total.join(", "), ...programs, ...written].join("\n")}\n`;
}

const SHOWN = 40;

function mark(sign: string, paths: readonly string[]): readonly string[] {
  const shown = paths.slice(0, SHOWN).map((path) => `${sign} ${path}`);
  return paths.length > SHOWN ? [...shown, `${sign} and ${count(paths.length - SHOWN, "more file")}`] : shown;
}
