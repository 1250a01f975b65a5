import { composePackage } from "../../compose/compose.ts";
import { checkLock } from "../../compose/lock.ts";
import type { Answer, CommandContext } from "../answer.ts";
import { bootFlags } from "../boot-flags.ts";
import { composeFlags, projectToCompose } from "../compose-flags.ts";
import { fetchMissing } from "../fetch-missing.ts";
import type { Input } from "../input.ts";
import { openStore } from "../store.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const project = projectToCompose(context);
  await fetchMissing(input, { project, byLock: true }, context);
  const flags = await composeFlags(input, context, project);
  const { layout } = openStore(context);
  const { loader } = flags;
  await checkLock({ project, layout, loader, require: input.list("require"), frozen: input.on("frozen") }, context);
  const value = await composePackage(
    {
      ...flags,
      layout,
      name: input.need("name"),
      project,
      require: input.list("require"),
      boot: bootFlags(input, "run"),
      onlyIfChanged: input.on("update"),
    },
    context,
  );
  if (!value.composed) context.reporter.report({ kind: "step", text: `${value.name} is up to date` });
  return { value };
}
