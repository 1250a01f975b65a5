import { resolve } from "node:path";
import { quotePath } from "../../filesystems/names.ts";
import { shellQuote } from "../../instances/shell-quote.ts";
import { type RecordedProgram, readProgramRecord } from "../../programs/record.ts";
import type { Answer, CommandContext } from "../answer.ts";
import { chosenLoader } from "../fetch-missing.ts";
import { type Input, usageError } from "../input.ts";
import { projectHere, recordOf, updatePrograms } from "../package-programs.ts";
import { programOptions } from "../programs.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const project = projectHere(context);
  const paths = input.args("program").map((path) => resolve(context.cwd, path));
  if (paths.length === 0) {
    throw usageError("`capstan package add` needs <program>.", "Name one: capstan package add /usr/bin/redis-server");
  }
  const recorded = readProgramRecord(project.dir);
  const options = programOptions(input, context);
  const added = paths.map((path) => recordOf(path, options, project));
  const programs = new Map(recorded?.programs.map((program) => [program.path, program]));
  for (const program of added) {
    tellDropped(programs.get(program.path), program, context);
    // One that is there keeps its place: the first one is what the project starts.
    programs.set(program.path, program);
  }
  const loaderName = input.text("loader_image") ?? recorded?.loader;
  return await updatePrograms(
    {
      ...{ project, recorded, loaderName, programs: [...programs.values()] },
      loader: await chosenLoader(input, context, loaderName),
      conflicts: input.on("force") ? "replace" : "refuse",
      dryRun: input.on("dry-run"),
    },
    context,
  );
}

/** The flags of this time count, and not those of before: what nobody said again is gone, which may surprise. */
function tellDropped(before: RecordedProgram | undefined, now: RecordedProgram, { reporter }: CommandContext): void {
  const kept = new Set(flagsOf(now).map(([flag, value]) => (SINGLE.has(flag) ? flag : `${flag} ${value}`)));
  const dropped = (before === undefined ? [] : flagsOf(before)).filter(
    ([flag, value]) => !kept.has(SINGLE.has(flag) ? flag : `${flag} ${value}`),
  );
  if (dropped.length === 0) return;
  const flags = dropped.map(([flag, value]) => (value === "" ? flag : `${flag} ${shellQuote([value])}`));
  reporter.report({
    kind: "warning",
    text: `${quotePath(now.path)} was added with ${flags.join(" ")} before, and now is not. To keep that, give it again.`,
  });
}

function flagsOf(program: RecordedProgram): readonly (readonly [flag: string, value: string])[] {
  const single = (flag: string, value: string | undefined) => (value === undefined ? [] : [[flag, value] as const]);
  return [
    ...single("--launch", program.launch),
    ...single("--interpreter", program.interpreter),
    ...single("--sysroot", program.sysroot),
    ...program.libraryPath.map((value) => ["--library-path", value] as const),
    ...program.with.map((value) => ["--with", value] as const),
    ...(program.trim ? [] : [["--no-trim", ""] as const]),
  ];
}

/** Another value of these takes the place of the one before. */
const SINGLE: ReadonlySet<string> = new Set(["--launch", "--interpreter", "--sysroot"]);
