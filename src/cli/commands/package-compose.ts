import { composePackage } from "../../compose/compose.ts";
import type { Answer, CommandContext } from "../answer.ts";
import { bootFlags, composeFlags, projectToCompose, withPullMissing } from "../compose-flags.ts";
import type { Input } from "../input.ts";
import { openStore } from "../store.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const project = projectToCompose(context);
  const value = await withPullMissing(input, () =>
    composePackage(
      {
        ...composeFlags(input, context),
        layout: openStore(context).layout,
        name: input.need("name"),
        project,
        require: input.list("require"),
        boot: bootFlags(input, "run"),
        onlyIfChanged: input.on("update"),
      },
      context,
    ),
  );
  if (!value.composed) context.reporter.report({ kind: "step", text: `${value.name} is up to date` });
  return { value };
}
