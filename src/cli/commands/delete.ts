import { deleteByForce, deleteInstance } from "../../instances/delete.ts";
import type { Answer, CommandContext } from "../answer.ts";
import { forEachInstance } from "../each-instance.ts";
import type { Input } from "../input.ts";
import { openStore } from "../store.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const root = openStore(context).settings.root.value;
  return await forEachInstance(input.args("name"), context, async (name) => {
    if (input.on("force")) await deleteByForce(root, name, context);
    else deleteInstance(root, name);
    context.reporter.report({ kind: "step", text: `Deleted ${name}` });
    return { value: { deleted: name } };
  });
}
