import { removeRemote } from "../../config/edit.ts";
import type { Answer, CommandContext } from "../answer.ts";
import type { Input } from "../input.ts";
import { openStore } from "../store.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const name = input.need("name");
  const path = await removeRemote(openStore(context).settings.root.value, name);
  context.reporter.report({ kind: "step", text: `Removed the remote ${name} from ${path}` });
  return { value: { name } };
}
