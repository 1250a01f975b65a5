import { setImageCommand } from "../../images/set-command.ts";
import { buildBootCommand } from "../../project/boot-command.ts";
import { amendTarget } from "../amend-target.ts";
import type { Answer, CommandContext } from "../answer.ts";
import type { Input } from "../input.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const image = input.need("image");
  const command = buildBootCommand({ run: input.need("command"), runFlag: "the command" });
  const { reporter } = context;
  if (command.warning !== undefined) reporter.report({ kind: "warning", text: command.warning });
  const { before, after } = await setImageCommand(amendTarget(image, context), command.text, context);
  reporter.report({
    kind: "step",
    text:
      before === after
        ? `The boot command of ${image} is ${after} already`
        : `The boot command of ${image} is now ${after}`,
  });
  return { value: { image, before, after } };
}
