import { statSync } from "node:fs";
import { resolve } from "node:path";
import { importPackage, importProject } from "../../store/packages.ts";
import { doing } from "../../support/errors.ts";
import type { Answer, CommandContext } from "../answer.ts";
import type { Input } from "../input.ts";
import { openStore } from "../store.ts";
import { withUnpackLimit } from "../unpack-limit.ts";

export async function run(input: Input, given: CommandContext): Promise<Answer> {
  const context = withUnpackLimit(input, given);
  const { layout } = openStore(context);
  const imported: { name: string; path: string }[] = [];
  const paths = input.args("path");
  for (const path of paths.length === 0 ? ["."] : paths) {
    const from = resolve(context.cwd, path);
    const isFolder = doing(`Importing ${path}`, () => statSync(from).isDirectory());
    const stored = await (isFolder ? importProject : importPackage)(layout, from, context);
    context.reporter.report({ kind: "step", text: `Imported ${stored.name} into ${layout.packages}` });
    imported.push({ name: stored.name, path: stored.archive });
  }
  return { value: imported };
}
