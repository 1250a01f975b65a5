import { waitForInstance } from "../../instances/wait.ts";
import { ExitCode } from "../../support/errors.ts";
import type { Answer, CommandContext } from "../answer.ts";
import { forEachInstance } from "../each-instance.ts";
import type { Input } from "../input.ts";
import { openStore } from "../store.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const root = openStore(context).settings.root.value;
  return await forEachInstance(input.args("name"), context, async (name) => {
    const value = await waitForInstance(root, name, context);
    const { state, reason, guestStatus } = value;
    if (reason !== undefined) context.reporter.report({ kind: "warning", text: `${name}: ${reason}` });
    const exitCode = state === "stopped" ? ExitCode.ok : ExitCode.runFailed;
    return { value, text: guestStatus === undefined ? "unknown" : String(guestStatus), exitCode };
  });
}
