import { CapstanError, ExitCode } from "../support/errors.ts";
import { removeMonitorFolder } from "./acquire.ts";
import { findInstance } from "./find.ts";
import { isHeld, readLock, removeFolder } from "./lock.ts";

/**
 * Deletes a stopped or broken instance with its disk.
 * @throws CapstanError `no-such-instance` (66), `instance-running` (73)
 */
export function deleteInstance(root: string, name: string): void {
  const folder = findInstance(root, name);
  const lock = readLock(folder);
  if (lock !== undefined && isHeld(lock)) {
    throw new CapstanError(`The instance ${name} is running`, {
      code: "instance-running",
      hint: `Stop it first: capstan stop ${name}`,
      exitCode: ExitCode.cannotCreate,
    });
  }
  removeMonitorFolder(lock?.owner?.monitorFolder);
  removeFolder(folder);
}
