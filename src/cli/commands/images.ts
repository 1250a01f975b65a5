import { imageCells, listImages } from "../../store/images.ts";
import type { Answer, CommandContext } from "../answer.ts";
import type { Input } from "../input.ts";
import { openStore } from "../store.ts";
import { formatStoreTable } from "../table-text.ts";

export async function run(_input: Input, context: CommandContext): Promise<Answer> {
  const images = listImages(openStore(context).layout);
  for (const { name, problem } of images) {
    if (problem !== undefined) context.reporter.report({ kind: "warning", text: `image ${name}: ${problem}.` });
  }
  return { value: images, text: () => formatStoreTable(images.map(imageCells)) };
}
