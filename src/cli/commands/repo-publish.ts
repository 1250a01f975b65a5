import { publish } from "../../hosting/publish/publish.ts";
import { formatSize } from "../../support/bytes.ts";
import { count } from "../../support/count.ts";
import type { Answer, CommandContext } from "../answer.ts";
import type { Input } from "../input.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const value = await publish(input.need("dir"), input.need("target"), context);
  const { written, unchanged, size, target } = value;
  const text = `Published ${count(written.length, "file")}, ${formatSize(size)}, to ${target}; ${unchanged} were there already`;
  context.reporter.report({ kind: "step", text });
  return { value };
}
