import { guestEnvironment } from "../../instances/guest/info.ts";
import type { Answer, CommandContext } from "../answer.ts";
import { withGuest } from "../guest.ts";
import type { Input } from "../input.ts";
import { printable } from "../output.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const value = await withGuest(input, context, guestEnvironment);
  return { value, text: () => value.map((pair) => `${printable(pair)}\n`).join("") };
}
