import { initRepository } from "../../hosting/repository.ts";
import type { Answer, CommandContext } from "../answer.ts";
import type { Input } from "../input.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const value = await initRepository(input.need("dir"), context);
  const text = value.created ? `Made the repository ${value.dir}` : `${value.dir} is a repository already`;
  context.reporter.report({ kind: "step", text });
  return { value };
}
