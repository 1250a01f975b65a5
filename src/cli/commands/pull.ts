import { pullImage } from "../../remotes/pull.ts";
import type { Answer, CommandContext } from "../answer.ts";
import type { Input } from "../input.ts";
import { pullOptions } from "../remotes.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const options = await pullOptions(input, "images", context);
  return { value: await pullImage(input.need("image"), options, context) };
}
