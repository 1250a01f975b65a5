import { comparePackages } from "../../remotes/update.ts";
import type { Answer, CommandContext } from "../answer.ts";
import type { Input } from "../input.ts";
import { pullOptions } from "../remotes.ts";
import { formatTable } from "../table-text.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const options = await pullOptions(input, "packages", context);
  const text = input.arg("text") ?? "";
  const all = await comparePackages({ ...options, text, created: input.on("created") }, context);
  const value = all.filter(({ state }) => state === "outdated");
  const rows = value.map(({ name, version, remote }) => [
    name,
    version ?? "-",
    remote?.version ?? "-",
    remote?.release ?? remote?.name ?? "",
  ]);
  return {
    value,
    text: () => (rows.length === 0 ? "All is up to date.\n" : formatTable(["NAME", "HERE", "THERE", "FROM"], rows)),
  };
}
