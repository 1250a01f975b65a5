import { listInstances } from "../../instances/list.ts";
import type { Answer, CommandContext } from "../answer.ts";
import type { Input } from "../input.ts";
import { openStore } from "../store.ts";
import { formatColumns } from "../table-text.ts";

/** The widths of the original's table, which scripts may count on. */
const WIDTHS = [35, 10, 10, 15];

export async function run(_input: Input, context: CommandContext): Promise<Answer> {
  const value = await listInstances(openStore(context).settings.root.value);
  for (const { name, reason } of value) {
    if (reason !== undefined) context.reporter.report({ kind: "warning", text: `instance ${name}: ${reason}.` });
  }
  const rows = value.map(({ name, platform, status, image }) => [name, platform, status, image]);
  return { value, text: () => formatColumns([["Name", "Platform", "Status", "Image"], ...rows], WIDTHS) };
}
