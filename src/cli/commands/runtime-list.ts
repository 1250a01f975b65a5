import { RUNTIMES } from "../../project/runtimes/index.ts";
import type { Answer } from "../answer.ts";
import { formatTable } from "../table-text.ts";

export async function run(): Promise<Answer> {
  const value = RUNTIMES.map(({ name, title, dependencies }) => ({ name, title, dependencies }));
  return {
    value,
    text: () =>
      formatTable(
        ["RUNTIME", "DESCRIPTION", "DEPENDENCIES"],
        value.map(({ name, title, dependencies }) => [name, title, dependencies.join(", ")]),
      ),
  };
}
