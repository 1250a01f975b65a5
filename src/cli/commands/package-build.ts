import { buildPackage } from "../../packages/build-package.ts";
import type { Answer, CommandContext } from "../answer.ts";
import type { Input } from "../input.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const { path, manifest } = await buildPackage(input.arg("path") ?? ".", {}, context);
  context.reporter.report({ kind: "step", text: `Built ${path}` });
  return { value: { name: manifest.name, path } };
}
