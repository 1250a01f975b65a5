import { lockProject } from "../../compose/lock.ts";
import { writeLockFile } from "../../packages/lock-file.ts";
import { count } from "../../support/count.ts";
import type { Answer, CommandContext } from "../answer.ts";
import { projectToCompose } from "../compose-flags.ts";
import { fetchMissing, projectLoader } from "../fetch-missing.ts";
import type { Input } from "../input.ts";
import { openStore } from "../store.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const project = projectToCompose(context);
  await fetchMissing(input, { project, byLock: false }, context);
  const loader = await projectLoader(input, project, context);
  const { layout } = openStore(context);
  const value = await lockProject({ project, layout, loader, require: input.list("require") }, context);
  const path = await writeLockFile(project.dir, value);
  context.reporter.report({
    kind: "step",
    text: `Locked ${loader.name} and ${count(value.packages.length, "package")} in ${path}`,
  });
  return { value };
}
