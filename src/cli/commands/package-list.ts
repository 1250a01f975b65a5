import { listPackages, packageCells } from "../../store/packages.ts";
import type { Answer, CommandContext } from "../answer.ts";
import type { Input } from "../input.ts";
import { openStore } from "../store.ts";
import { formatStoreTable } from "../table-text.ts";

export async function run(_input: Input, context: CommandContext): Promise<Answer> {
  const packages = listPackages(openStore(context).layout);
  for (const { name, problem } of packages) {
    if (problem !== undefined) context.reporter.report({ kind: "warning", text: `package ${name}: ${problem}.` });
  }
  const value = packages.map(({ name, archive, info, problem }) => ({
    name,
    title: info?.title ?? null,
    author: info?.author ?? null,
    version: info?.version ?? null,
    created: info?.created ?? null,
    platform: info?.platform ?? null,
    require: info?.require ?? [],
    path: archive,
    problem: problem ?? null,
  }));
  return { value, text: () => formatStoreTable(packages.map(packageCells)) };
}
