import { instanceInfo } from "../instances/list.ts";
import type { PlanInput } from "../instances/run-input.ts";
import { type DetachedInstance, runDetached } from "../instances/supervisor/launch.ts";
import type { Answer, CommandContext } from "./answer.ts";
import type { WaitFor } from "./console-flags.ts";
import { checkWait, waitReady } from "./wait-ready.ts";

/** Starts an instance in the background; says its name, and with --json all that `instances` says of it. */
export async function startInBackground(
  input: PlanInput,
  wait: WaitFor | undefined,
  context: CommandContext,
): Promise<Answer> {
  if (input.image !== undefined || input.forwards !== undefined) checkWait(wait, input.forwards ?? []);
  const started = await runDetached(input, context);
  if (wait !== undefined) await waitReady(started.name, wait, context);
  return { value: await startedValue(input.root, started), text: () => `${started.name}\n` };
}

export interface StartedInstance {
  readonly name: string;
  readonly state: DetachedInstance["state"] | undefined;
}

/** One that is not kept may have ended, and be gone. */
export async function startedValue(root: string, { name, state }: StartedInstance): Promise<unknown> {
  return (await instanceInfo(root, name)) ?? { name, status: state?.state };
}
