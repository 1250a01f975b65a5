import { initProject } from "../../project/project.ts";
import type { Answer, CommandContext } from "../answer.ts";
import type { Input } from "../input.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const value = await initProject(
    {
      dir: input.arg("path") ?? ".",
      name: input.text("name"),
      title: input.text("title"),
      author: input.text("author"),
      version: input.text("version"),
      require: input.list("require"),
      platform: input.text("platform"),
      runtime: input.text("runtime"),
      force: input.on("force"),
    },
    context,
  );
  for (const path of value.written) context.reporter.report({ kind: "step", text: `Wrote ${path}` });
  return { value };
}
