import { findVolume } from "../../instances/volumes/list.ts";
import type { Answer, CommandContext } from "../answer.ts";
import type { Input } from "../input.ts";
import { openStore } from "../store.ts";
import { sizeCell, volumeProject } from "../volumes.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const value = findVolume(volumeProject(context), input.need("name"), openStore(context).settings.root.value);
  const lines: readonly (readonly [string, string])[] = [
    ["Name", value.name],
    ["Path", value.path],
    ["Format", value.format ?? "?"],
    ["Size", sizeCell(value.size)],
    ["Used here", sizeCell(value.used)],
    ["Content", value.content ?? "?"],
    ["In use by", value.instances.join(", ") || "no running instance"],
    ...(value.problem === null ? [] : [["Problem", value.problem] as const]),
  ];
  return { value, text: () => lines.map(([key, text]) => `${key.padEnd(11)}${text}\n`).join("") };
}
