import { pullPackages } from "../../remotes/pull-packages.ts";
import type { Answer, CommandContext } from "../answer.ts";
import type { Input } from "../input.ts";
import { pullOptions, requirementOf } from "../remotes.ts";
import { withUnpackLimit } from "../unpack-limit.ts";

export async function run(input: Input, given: CommandContext): Promise<Answer> {
  const context = withUnpackLimit(input, given);
  const requirements = input.args("name").map(requirementOf);
  const options = await pullOptions(input, "packages", context);
  return { value: await pullPackages(requirements, options, context) };
}
