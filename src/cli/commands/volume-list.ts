import { listVolumes } from "../../instances/volumes/list.ts";
import type { Answer, CommandContext } from "../answer.ts";
import type { Input } from "../input.ts";
import { openStore } from "../store.ts";
import { formatTable } from "../table-text.ts";
import { sizeCell, volumeProject } from "../volumes.ts";

export async function run(_input: Input, context: CommandContext): Promise<Answer> {
  const value = listVolumes(volumeProject(context), openStore(context).settings.root.value);
  for (const { name, problem } of value) {
    if (problem !== null) context.reporter.report({ kind: "warning", text: `volume ${name}: ${problem}.` });
  }
  const rows = value.map((volume) => [
    volume.name,
    volume.format ?? "?",
    sizeCell(volume.size),
    sizeCell(volume.used),
    volume.content ?? "?",
    volume.instances.join(", "),
  ]);
  return { value, text: () => formatTable(["NAME", "FORMAT", "SIZE", "USED", "CONTENT", "IN USE BY"], rows) };
}
