import type { Answer } from "../answer.ts";
import { bashCompletion, fishCompletion, zshCompletion } from "../completions.ts";
import type { Input } from "../input.ts";

export async function run(input: Input): Promise<Answer> {
  const shell = input.need("shell");
  const script = shell === "zsh" ? zshCompletion() : shell === "fish" ? fishCompletion() : bashCompletion();
  return { value: { shell, script }, text: () => script };
}
