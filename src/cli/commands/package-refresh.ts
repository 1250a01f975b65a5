import { readProgramRecord } from "../../programs/record.ts";
import { CapstanError, ExitCode } from "../../support/errors.ts";
import type { Answer, CommandContext } from "../answer.ts";
import { chosenLoader } from "../fetch-missing.ts";
import type { Input } from "../input.ts";
import { projectHere, updatePrograms } from "../package-programs.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const project = projectHere(context);
  const recorded = readProgramRecord(project.dir);
  if (recorded === undefined) {
    throw new CapstanError("Nothing has been added to this project: there is no meta/programs.yaml", {
      code: "nothing-added",
      exitCode: ExitCode.noInput,
      hint: "Add a program first: capstan package add /usr/bin/redis-server",
    });
  }
  const loaderName = input.text("loader_image") ?? recorded.loader;
  return await updatePrograms(
    {
      ...{ project, recorded, loaderName, programs: recorded.programs },
      loader: await chosenLoader(input, context, loaderName),
      conflicts: input.on("force") ? "replace" : "keep",
      dryRun: input.on("dry-run"),
    },
    context,
  );
}
