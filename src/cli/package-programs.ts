import { existsSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { machineDistribution } from "../compose/check-image.ts";
import { addWritable } from "../compose/program.ts";
import type { Distribution } from "../distributions/distribution.ts";
import type { FileTree } from "../filesystems/filetree.ts";
import { createTree, insert } from "../filesystems/tree-builder.ts";
import { type Installed, install } from "../programs/install.ts";
import type { Item } from "../programs/item.ts";
import type { LaunchMode } from "../programs/launch.ts";
import { type ProgramRecord, type RecordedFile, type RecordedProgram, writeProgramRecord } from "../programs/record.ts";
import { joinWords } from "../project/boot-command.ts";
import { loadProject, type Project } from "../project/project.ts";
import type { Loader } from "../store/loaders.ts";
import { writeFileAtomically } from "../support/atomic.ts";
import { count } from "../support/count.ts";
import type { Answer, CommandContext } from "./answer.ts";
import { tellProgram } from "./program-report.ts";
import { type AssembledProgram, assembleProgram, type ProgramOptions } from "./programs.ts";

export interface UpdateRequest {
  readonly project: Project;
  /** All programs that the project is to hold. */
  readonly programs: readonly RecordedProgram[];
  readonly recorded: ProgramRecord | undefined;
  readonly loader: Loader;
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
    programs.push(await assembleProgram({ path, userArgs: [], loader, options }, context));
  }
  for (const program of programs) tellProgram(program, context);
  const tree = mergePrograms(programs, project.dir);
  const installed = await install(
    {
      ...{ tree, dryRun, folder: project.dir, conflicts: request.conflicts },
      recorded: recorded?.files ?? new Map(),
      origin: originOf(programs, context),
    },
    context,
  );
  const sets = programs.map((program) => setOf(program));
  const writesRunConfig = project.runConfig === undefined && sets.length > 0;
  if (!dryRun) {
    await writeProgramRecord(project.dir, { programs: request.programs, files: installed.files });
    if (writesRunConfig) await writeFileAtomically(join(project.dir, "meta", "run.yaml"), formatRunConfig(sets));
  }
  const { files: _files, ...changes } = installed;
  const value = { ...changes, programs: sets, runConfig: writesRunConfig ? "meta/run.yaml" : null, dryRun };
  return { value, text: () => render(value) };
}

export function recordOf(path: string, options: ProgramOptions, project: Project): RecordedProgram {
  const inside = (one: string) => (one.startsWith(`${project.dir}/`) ? relative(project.dir, one) : one);
  return { ...options, path: inside(path), libraryPath: options.libraryPath.map(inside) };
}

/** A project that holds what it was given: its own files are not yet a reason to compose anything. */
export function projectHere(context: CommandContext): Project {
  return loadProject(context.cwd, context);
}

function optionsOf(program: RecordedProgram, dir: string): ProgramOptions {
  return {
    ...program,
    launch: program.launch as LaunchMode | undefined,
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
  const items = new Map<string, Item>(programs.flatMap(({ items }) => items.map((item) => [item.target, item])));
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
  const written = value.runConfig === null ? [] : [`${value.dryRun ? "Would write" : "Wrote"} ${value.runConfig}`];
  return `${[...lines, total.join(", "), ...programs, ...written].join("\n")}\n`;
}

const SHOWN = 40;

function mark(sign: string, paths: readonly string[]): readonly string[] {
  const shown = paths.slice(0, SHOWN).map((path) => `${sign} ${path}`);
  return paths.length > SHOWN ? [...shown, `${sign} and ${count(paths.length - SHOWN, "more file")}`] : shown;
}
