import { existsSync, readdirSync } from "node:fs";
import { CapstanError, ExitCode } from "../support/errors.ts";
import { didYouMean } from "../support/suggest.ts";
import { instanceFolder, instancesFolder } from "./layout.ts";
import { isHeld, type Lock, type Owner, readLock } from "./lock.ts";
import { checkInstanceName } from "./names.ts";

/**
 * The folder of an instance that is there.
 * @throws CapstanError `no-such-instance` (66), `bad-instance-name` (64)
 */
export function findInstance(root: string, name: string): string {
  const folder = instanceFolder(root, checkInstanceName(name));
  if (existsSync(folder)) return folder;
  throw noInstance(root, name);
}

/**
 * The lock and the owner of an instance that runs.
 * @throws CapstanError `no-such-instance` (66), `bad-instance-name` (64), `not-running` (73)
 */
export function findRunning(root: string, name: string): { readonly lock: Lock; readonly owner: Owner } {
  const lock = readLock(findInstance(root, name));
  if (lock?.owner !== undefined && isHeld(lock)) return { lock, owner: lock.owner };
  throw new CapstanError(`The instance ${name} is not running`, {
    code: "not-running",
    hint: `Start it first: capstan start ${name}`,
    exitCode: ExitCode.cannotCreate,
  });
}

export function noInstance(root: string, name: string): CapstanError {
  const parent = instancesFolder(root);
  const known = existsSync(parent) ? readdirSync(parent).filter((entry) => !entry.startsWith(".")) : [];
  return new CapstanError(`There is no instance ${name}.${didYouMean(name, known)}`, {
    code: "no-such-instance",
    hint: "See what there is: capstan instances",
    exitCode: ExitCode.noInput,
  });
}
