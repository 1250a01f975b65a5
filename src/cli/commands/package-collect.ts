import { collect } from "../../compose/collect.ts";
import { count } from "../../support/count.ts";
import type { Answer, CommandContext } from "../answer.ts";
import { followLinks, projectToCompose, withPullMissing } from "../compose-flags.ts";
import type { Input } from "../input.ts";
import { openStore } from "../store.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const value = await withPullMissing(input, () =>
    collect(
      {
        project: projectToCompose(context),
        layout: openStore(context).layout,
        require: input.list("require"),
        followLinks: followLinks(input),
        remote: input.on("remote"),
      },
      context,
    ),
  );
  context.reporter.report({ kind: "step", text: `Collected ${count(value.files, "file")} into ${value.folder}` });
  return { value };
}
