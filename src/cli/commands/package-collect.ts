import { collect } from "../../compose/collect.ts";
import { count } from "../../support/count.ts";
import type { Answer, CommandContext } from "../answer.ts";
import { followLinks, projectToCompose } from "../compose-flags.ts";
import { fetchMissing } from "../fetch-missing.ts";
import type { Input } from "../input.ts";
import { openStore } from "../store.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const project = projectToCompose(context);
  const remote = input.on("remote");
  await fetchMissing(input, { project, forRemote: remote, byLock: true }, context);
  const value = await collect(
    {
      ...{ project, remote, layout: openStore(context).layout },
      require: input.list("require"),
      followLinks: followLinks(input),
    },
    context,
  );
  context.reporter.report({ kind: "step", text: `Collected ${count(value.files, "file")} into ${value.folder}` });
  return { value };
}
