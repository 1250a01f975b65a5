import type { Context } from "../support/context.ts";
import { CapstanError, ExitCode } from "../support/errors.ts";
import { removeMonitorFolder } from "./acquire.ts";
import { findInstance } from "./find.ts";
import { readLock, removeFolder } from "./lock.ts";
import { killInstance } from "./stop.ts";
import { whileOurs } from "./tidy.ts";

/**
 * Deletes a stopped or broken instance with its disk.
 * @throws CapstanError `no-such-instance` (66), `instance-running` (73)
 */
export function deleteInstance(root: string, name: string): void {
  const folder = findInstance(root, name);
  const owner = readLock(folder)?.owner;
  const isDone = whileOurs(folder, () => {
    removeMonitorFolder(owner?.monitorFolder);
    removeMonitorFolder(owner?.controlFolder);
    removeFolder(folder);
  });
  if (!isDone) {
    throw new CapstanError(`The instance ${name} is running`, {
      code: "instance-running",
      hint: `Stop it first: capstan stop ${name}; or delete it all the same: capstan delete -f ${name}`,
      exitCode: ExitCode.cannotCreate,
    });
  }
}

/** The same of a running one too, whose guest is ended at once. @throws CapstanError `no-such-instance` (66) */
export async function deleteByForce(root: string, name: string, context: Context): Promise<void> {
  const { how } = await killInstance(root, name, context);
  try {
    deleteInstance(root, name);
  } catch (error) {
    // One that nobody keeps is gone with its guest.
    if (how === "not-running" || !(error instanceof CapstanError) || error.code !== "no-such-instance") throw error;
  }
}
