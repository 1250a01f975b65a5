import { inspectInstance } from "../../instances/inspect.ts";
import type { Answer, CommandContext } from "../answer.ts";
import type { Input } from "../input.ts";
import { openStore } from "../store.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const value = await inspectInstance(openStore(context).settings.root.value, input.need("name"));
  return { value, text: () => `${JSON.stringify(value, undefined, 2)}\n` };
}
