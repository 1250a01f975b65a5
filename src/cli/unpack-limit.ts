import { UNPACK_LIMIT } from "../packages/limits.ts";
import { parseSize } from "../support/sizes.ts";
import type { CommandContext } from "./answer.ts";
import type { Input } from "./input.ts";

/** The context with the limit that --unpack-limit sets. Error: CapstanError `bad-size`. */
export function withUnpackLimit(input: Input, context: CommandContext): CommandContext {
  const limit = input.text("unpack-limit");
  if (limit === undefined) return context;
  parseSize(limit, { flag: "--unpack-limit" });
  return { ...context, env: { ...context.env, [UNPACK_LIMIT]: limit } };
}
