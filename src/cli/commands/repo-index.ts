import { indexRepository } from "../../hosting/index-repository.ts";
import { writePages } from "../../hosting/page/write-pages.ts";
import type { Answer, CommandContext } from "../answer.ts";
import type { Input } from "../input.ts";
import { tellIndex } from "../repository-report.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const dir = input.need("dir");
  const index = await indexRepository(dir, context);
  tellIndex(index, context);
  if (!input.on("html")) return { value: { ...index, pages: 0 } };
  const { pages, path } = await writePages(dir, { title: input.text("title") }, context);
  context.reporter.report({ kind: "step", text: `Wrote ${path} and all other pages: ${pages}` });
  return { value: { ...index, pages } };
}
