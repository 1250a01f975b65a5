import { existsSync } from "node:fs";
import type { StartInput } from "../instances/start.ts";
import type { CommandContext } from "./answer.ts";
import { openStore } from "./store.ts";

/** What of starting an instance the settings say, and not the instance. */
export function startSettings(context: CommandContext): Omit<StartInput, "name"> {
  const { settings, builtin } = openStore(context);
  return {
    root: settings.root.value,
    disableKvm: settings.disableKvm.value,
    aio: settings.qemuAioType.value,
    proofKernel: existsSync(builtin.kernel ?? "") ? builtin.kernel : undefined,
  };
}
