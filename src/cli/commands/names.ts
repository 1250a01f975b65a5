import { listInstances } from "../../instances/list.ts";
import { RUNTIMES } from "../../project/runtimes/index.ts";
import { listImages } from "../../store/images.ts";
import { packageNames } from "../../store/packages.ts";
import type { Answer, CommandContext } from "../answer.ts";
import type { Input } from "../input.ts";
import { openStore } from "../store.ts";

/** What the shell completes with. A store that cannot be read completes to nothing. */
export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const names = await namesOf(input.need("kind"), context);
  return { value: names, text: () => names.map((name) => `${name}\n`).join("") };
}

async function namesOf(kind: string, context: CommandContext): Promise<readonly string[]> {
  if (kind === "runtime") return RUNTIMES.map(({ name }) => name);
  const { layout, settings } = openStore(context);
  if (kind === "package") return packageNames(layout);
  if (kind === "instance") return (await listInstances(settings.root.value)).map(({ name }) => name);
  return [...listImages(layout).map(({ name }) => name), "builtin"];
}
