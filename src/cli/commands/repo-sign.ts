import { createKey, signRepository } from "../../hosting/sign-repository.ts";
import type { Answer, CommandContext } from "../answer.ts";
import { type Input, usageError } from "../input.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const [given, fresh] = [input.text("key"), input.text("new-key")];
  const key = given ?? fresh;
  if (key === undefined || (given !== undefined && fresh !== undefined)) {
    throw usageError("A signature needs a secret key: --key FILE, or --new-key FILE to make one.");
  }
  if (fresh !== undefined) {
    const { path } = createKey(fresh, context);
    context.reporter.report({ kind: "step", text: `Wrote the secret key ${path}: keep it, and give it to nobody` });
  }
  const value = await signRepository(input.need("dir"), key, context);
  context.reporter.report({ kind: "step", text: `Signed: ${value.path}` });
  return { value, text: () => `${value.publicKey}\n` };
}
