import { removeImage } from "../../store/images.ts";
import type { Answer, CommandContext } from "../answer.ts";
import type { Input } from "../input.ts";
import { openStore } from "../store.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const { layout } = openStore(context);
  const names = input.args("name");
  for (const name of names) {
    await removeImage(layout, name);
    context.reporter.report({ kind: "step", text: `Removed ${name}` });
  }
  return { value: { removed: names } };
}
