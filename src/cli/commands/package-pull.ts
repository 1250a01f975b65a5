import { pullPackages } from "../../remotes/pull.ts";
import type { Answer, CommandContext } from "../answer.ts";
import type { Input } from "../input.ts";
import { pullOptions, requirementOf } from "../remotes.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const requirements = input.args("name").map(requirementOf);
  const options = await pullOptions(input, "packages", context);
  return { value: await pullPackages(requirements, options, context) };
}
