import { type StopResult, stopInstance } from "../../instances/stop.ts";
import type { Answer, CommandContext } from "../answer.ts";
import { type Input, usageError } from "../input.ts";
import { openStore } from "../store.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const value = await stopInstance(
    { root: openStore(context).settings.root.value, name: input.need("name"), waitMs: waitFlag(input) },
    context,
  );
  context.reporter.report({ kind: "step", text: `${value.name} ${HOW[value.how]}` });
  return { value };
}

const HOW: Readonly<Record<StopResult["how"], string>> = {
  "powered-off": "powered off",
  ended: "did not power off in time, and was ended",
  "not-running": "was not running",
};

function waitFlag(input: Input): number | undefined {
  const text = input.text("time");
  if (text === undefined) return undefined;
  if (/^\d{1,6}(\.\d+)?$/.test(text)) return Number(text) * 1000;
  throw usageError(`--time '${text}' is not a number of seconds.`, "Write a number, such as --time 30.");
}
