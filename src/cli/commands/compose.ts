import { resolve } from "node:path";
import { composeFolder } from "../../compose/compose.ts";
import type { Answer, CommandContext } from "../answer.ts";
import { composeFlags } from "../compose-flags.ts";
import type { Input } from "../input.ts";
import { openStore } from "../store.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const value = await composeFolder(
    {
      ...(await composeFlags(input, context)),
      layout: openStore(context).layout,
      name: input.need("name"),
      path: resolve(context.cwd, input.need("path")),
      commandLine: input.text("command_line"),
    },
    context,
  );
  return { value };
}
