import { type StopResult, stopInstance } from "../../instances/stop.ts";
import type { Answer, CommandContext } from "../answer.ts";
import { forEachInstance } from "../each-instance.ts";
import type { Input } from "../input.ts";
import { graceFlag } from "../stop-flags.ts";
import { openStore } from "../store.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const root = openStore(context).settings.root.value;
  const waitMs = graceFlag(input);
  return await forEachInstance(input.args("name"), context, async (name) => {
    const value = await stopInstance({ root, name, waitMs }, context);
    context.reporter.report({ kind: "step", text: `${name} ${HOW[value.how]}` });
    return { value };
  });
}

const HOW: Readonly<Record<StopResult["how"], string>> = {
  "powered-off": "powered off",
  ended: "did not power off in time, and was ended",
  "not-running": "was not running",
};
