import { pruneInstances } from "../../instances/prune.ts";
import type { Answer, CommandContext } from "../answer.ts";
import type { Input } from "../input.ts";
import { openStore } from "../store.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const root = openStore(context).settings.root.value;
  const value = await pruneInstances(root, { stopped: input.on("stopped") });
  const lines = [
    ...value.removed.map((name) => `Removed ${name}`),
    ...value.tidied.map((name) => `Tidied up after ${name}`),
  ];
  return {
    value,
    text: () => (lines.length === 0 ? "Nothing to remove\n" : lines.map((line) => `${line}\n`).join("")),
  };
}
