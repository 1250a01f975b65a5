import type { Context } from "../support/context.ts";
import { CapstanError } from "../support/errors.ts";
import { isPersisted } from "./acquire.ts";
import { findInstance } from "./find.ts";
import { isHeld, readLock } from "./lock.ts";
import type { PlanInput } from "./run-input.ts";
import { type DetachedInstance, runDetached } from "./supervisor/launch.ts";

/** What of a start is not the instance's own. */
export type StartInput = Pick<PlanInput, "root" | "acceleration" | "disableKvm" | "aio" | "proofKernel"> & {
  readonly name: string;
};

/**
 * Starts a kept instance again in the background, with its own disk and settings. Undefined when it runs already.
 * @throws CapstanError `no-such-instance` (66), `broken-instance` (65), and those of a start
 */
export async function startInstance(input: StartInput, context: Context): Promise<DetachedInstance | undefined> {
  const { root, name } = input;
  const folder = findInstance(root, name);
  const lock = readLock(folder);
  if (lock !== undefined && isHeld(lock)) return undefined;
  if (!isPersisted(root, name)) {
    throw new CapstanError(`The instance ${name} cannot be started: it was left behind when its capstan was killed`, {
      code: "broken-instance",
      hint: `Remove it: capstan delete ${name}`,
    });
  }
  return await runDetached({ ...input, exactName: true }, context);
}
