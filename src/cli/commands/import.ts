import { resolve } from "node:path";
import { fileKind } from "../../images/file-kind.ts";
import { importImage } from "../../store/import-image.ts";
import type { Answer, CommandContext } from "../answer.ts";
import type { Input } from "../input.ts";
import { importPacked } from "../packed-disk.ts";
import { openStore } from "../store.ts";
import { withUnpackLimit } from "../unpack-limit.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const kernel = input.text("kernel");
  const request = {
    name: input.need("name"),
    file: resolve(context.cwd, input.need("file")),
    kernel: kernel === undefined ? undefined : resolve(context.cwd, kernel),
    meta: {
      version: input.text("version"),
      created: input.text("created"),
      description: input.text("description"),
      build: input.text("build"),
    },
  };
  const value = fileKind(request.file).isArchive
    ? await importPacked(request, withUnpackLimit(input, context))
    : await importImage(openStore(context).layout, request, context);
  context.reporter.report({ kind: "step", text: `Imported ${value.name} (${value.format}) into ${value.path}` });
  return { value };
}
