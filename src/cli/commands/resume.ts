import { resumeInstance } from "../../instances/pause.ts";
import type { Answer, CommandContext } from "../answer.ts";
import { forEachInstance } from "../each-instance.ts";
import type { Input } from "../input.ts";
import { openStore } from "../store.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const root = openStore(context).settings.root.value;
  return await forEachInstance(input.args("name"), context, async (name) => {
    await resumeInstance(root, name);
    return { value: { resumed: name } };
  });
}
