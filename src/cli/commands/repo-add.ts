import { additionOf, addToRepository } from "../../hosting/add-to-repository.ts";
import type { Answer, CommandContext } from "../answer.ts";
import { type Input, usageError } from "../input.ts";
import { tellIndex } from "../repository-report.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const files = input.args("file");
  const [name, kernel] = [input.text("name"), input.text("kernel")];
  if (files.length > 1 && (name !== undefined || kernel !== undefined)) {
    throw usageError("--name and --kernel are for one image.", "Add that image by a command of its own.");
  }
  const additions = files.map((file) =>
    additionOf(file, {
      ...(name === undefined ? {} : { name }),
      ...(kernel === undefined ? {} : { kernel }),
    }),
  );
  const value = await addToRepository(input.need("dir"), additions, { replace: input.on("replace") }, context);
  for (const { name, version, path, changed } of value.added) {
    const what = version === null ? name : `${name} ${version}`;
    const text = changed ? `Added ${what} as ${path}` : `${what} is there already`;
    context.reporter.report({ kind: "step", text });
  }
  tellIndex(value.index, context);
  return { value };
}
