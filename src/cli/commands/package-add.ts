import { resolve } from "node:path";
import { readProgramRecord } from "../../programs/record.ts";
import { DEFAULT_LOADER } from "../../store/loaders.ts";
import type { Answer, CommandContext } from "../answer.ts";
import { findLoaderOrFile } from "../find-image.ts";
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
  const others = (recorded?.programs ?? []).filter(({ path }) => !added.some((program) => program.path === path));
  const loaderName = input.text("loader_image") ?? recorded?.loader;
  return await updatePrograms(
    {
      ...{ project, recorded, loaderName, programs: [...others, ...added] },
      loader: findLoaderOrFile(loaderName ?? DEFAULT_LOADER, context),
      conflicts: input.on("force") ? "replace" : "refuse",
      dryRun: input.on("dry-run"),
    },
    context,
  );
}
