import { deleteInstance } from "../../instances/delete.ts";
import type { Answer, CommandContext } from "../answer.ts";
import type { Input } from "../input.ts";
import { openStore } from "../store.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const name = input.need("name");
  deleteInstance(openStore(context).settings.root.value, name);
  context.reporter.report({ kind: "step", text: `Deleted ${name}` });
  return { value: { deleted: name } };
}
