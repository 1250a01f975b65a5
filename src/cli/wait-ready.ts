import { readLock } from "../instances/lock.ts";
import { findLog } from "../instances/logs.ts";
import { checkProbe, type Ready, waitUntilReady } from "../instances/readiness.ts";
import { readState } from "../instances/state.ts";
import type { CommandContext } from "./answer.ts";
import type { WaitFor } from "./console-flags.ts";
import { openStore } from "./store.ts";

/**
 * Waits for an instance that was just started in the background. It goes on running, whatever comes of it.
 * @throws CapstanError `not-ready` (1), `ended-before-ready` (1), `port-not-forwarded` (64)
 */
export async function waitReady(name: string, { probe, limitMs }: WaitFor, context: CommandContext): Promise<Ready> {
  const { folder, isOver } = findLog(openStore(context).settings.root.value, name);
  const state = readState(folder);
  const { forwards = [] } = state ?? {};
  const { reporter } = context;
  const monitor = readLock(folder)?.owner?.monitor;
  const since = state?.times.asked ?? 0;
  const ready = await waitUntilReady(
    { name, folder, probe, limitMs, forwards, isOver, ...(monitor === undefined ? {} : { monitor }), since },
    context,
  );
  reporter.report({
    kind: "step",
    text: `${name} is ready after ${(ready.waitedMs / 1000).toFixed(1)} s: ${ready.output}`,
  });
  return ready;
}

/** Before the start: that what is waited for can be seen at all. @throws CapstanError `port-not-forwarded` (64) */
export function checkWait(wait: WaitFor | undefined, forwards: Parameters<typeof checkProbe>[1]["forwards"]): void {
  if (wait !== undefined) checkProbe(wait.probe, { forwards });
}
