import { previewRuntime } from "../../project/project.ts";
import type { Answer, CommandContext } from "../answer.ts";
import type { Input } from "../input.ts";
import { needRuntime } from "../need-runtime.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const runtime = needRuntime(input);
  const text = previewRuntime(runtime, { plain: input.on("plain") });
  context.reporter.report({
    kind: "detail",
    text: `\`capstan runtime init --runtime ${runtime}\` writes this into meta/run.yaml`,
  });
  return { value: { runtime, text }, text: () => text };
}
