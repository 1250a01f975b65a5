import { startInstance } from "../../instances/start.ts";
import type { Answer, CommandContext } from "../answer.ts";
import { waitFlags } from "../console-flags.ts";
import { forEachInstance } from "../each-instance.ts";
import type { Input } from "../input.ts";
import { hostSettings } from "../machine-flags.ts";
import { startedValue } from "../start-in-background.ts";
import { openStore } from "../store.ts";
import { waitReady } from "../wait-ready.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const root = openStore(context).settings.root.value;
  const wait = waitFlags(input);
  return await forEachInstance(input.args("name"), context, async (name) => {
    const started = await startInstance({ root, name, ...hostSettings(context) }, context);
    if (started === undefined) context.reporter.report({ kind: "step", text: `${name} is running already` });
    if (wait !== undefined) await waitReady(name, wait, context);
    return { value: await startedValue(root, started ?? { name, state: undefined }), text: name };
  });
}
