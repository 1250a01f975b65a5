import { isPersisted } from "../../instances/acquire.ts";
import { findInstance } from "../../instances/find.ts";
import { startInstance } from "../../instances/start.ts";
import { stopInstance } from "../../instances/stop.ts";
import { CapstanError, ExitCode } from "../../support/errors.ts";
import type { Answer, CommandContext } from "../answer.ts";
import { waitFlags } from "../console-flags.ts";
import { forEachInstance } from "../each-instance.ts";
import type { Input } from "../input.ts";
import { hostSettings } from "../machine-flags.ts";
import { startedValue } from "../start-in-background.ts";
import { graceFlag } from "../stop-flags.ts";
import { openStore } from "../store.ts";
import { waitReady } from "../wait-ready.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const root = openStore(context).settings.root.value;
  const wait = waitFlags(input);
  const waitMs = graceFlag(input);
  return await forEachInstance(input.args("name"), context, async (name) => {
    findInstance(root, name);
    if (!isPersisted(root, name)) throw notKept(name);
    await stopInstance({ root, name, waitMs }, context);
    const started = await startInstance({ root, name, ...hostSettings(context) }, context);
    if (wait !== undefined) await waitReady(name, wait, context);
    return { value: await startedValue(root, started ?? { name, state: undefined }), text: name };
  });
}

function notKept(name: string): CapstanError {
  return new CapstanError(`The instance ${name} would be gone once it is stopped`, {
    code: "instance-not-kept",
    hint: "Only instances that are kept can be restarted: those of run -d without --rm, and of run --persist.",
    exitCode: ExitCode.cannotCreate,
  });
}
