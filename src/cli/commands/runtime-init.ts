import { initRuntime } from "../../project/project.ts";
import type { Answer, CommandContext } from "../answer.ts";
import type { Input } from "../input.ts";
import { needRuntime } from "../need-runtime.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const value = await initRuntime(
    { dir: ".", runtime: needRuntime(input), plain: input.on("plain"), force: input.on("force") },
    context,
  );
  for (const path of value.written) context.reporter.report({ kind: "step", text: `Wrote ${path}` });
  return { value };
}
