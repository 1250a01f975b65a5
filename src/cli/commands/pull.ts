import { pullImage } from "../../remotes/pull-image.ts";
import type { Answer, CommandContext } from "../answer.ts";
import type { Input } from "../input.ts";
import { pullOptions } from "../remotes.ts";
import { withUnpackLimit } from "../unpack-limit.ts";

export async function run(input: Input, given: CommandContext): Promise<Answer> {
  const context = withUnpackLimit(input, given);
  const options = await pullOptions(input, "images", context);
  return { value: await pullImage(input.need("image"), options, context) };
}
