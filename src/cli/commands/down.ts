import { down } from "../../services/down.ts";
import { readServicesFile } from "../../services/read-file.ts";
import type { Answer, CommandContext } from "../answer.ts";
import { type Input, usageError } from "../input.ts";
import { deleteVolumes } from "../service-volumes.ts";
import { servicesDriver } from "../services.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const file = readServicesFile({ file: input.text("file"), projectName: input.text("project-name") }, context);
  if (input.on("keep") && input.on("volumes")) throw usageError("--keep and --volumes exclude each other.");
  const driver = servicesDriver(file, input, context);
  const ended = await down(file, { keep: input.on("keep") }, { driver, context });
  const volumes = input.on("volumes") ? deleteVolumes(file, context) : [];
  if (ended.length + volumes.length === 0) {
    context.reporter.report({ kind: "step", text: `Nothing of ${file.name} is there` });
  }
  return { value: ended };
}
