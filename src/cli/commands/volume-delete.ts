import { deleteVolume } from "../../instances/volumes/delete.ts";
import type { Answer, CommandContext } from "../answer.ts";
import type { Input } from "../input.ts";
import { openStore } from "../store.ts";
import { volumeProject } from "../volumes.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const project = volumeProject(context);
  const names = input.args("name");
  for (const name of names) {
    const { path } = deleteVolume(project, name, openStore(context).settings.root.value);
    context.reporter.report({ kind: "step", text: `Deleted the volume ${path}` });
  }
  return { value: { deleted: names } };
}
