import { join, resolve } from "node:path";
import { CAPSTANFILE } from "../../project/folder.ts";
import type { Answer, CommandContext } from "../answer.ts";
import { buildCapstanfile } from "../capstanfile.ts";
import type { Input } from "../input.ts";
import { withUnpackLimit } from "../unpack-limit.ts";

export async function run(input: Input, given: CommandContext): Promise<Answer> {
  const context = withUnpackLimit(input, given);
  const file = input.text("file");
  const path = file === undefined ? join(context.cwd, CAPSTANFILE) : resolve(context.cwd, file);
  const value = await buildCapstanfile({ path, name: input.arg("name"), onlyIfChanged: false }, input, context);
  return { value };
}
