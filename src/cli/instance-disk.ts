import { realpathSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { FILES, instancesFolder } from "../instances/layout.ts";
import { isHeld, readLock } from "../instances/lock.ts";
import { CapstanError, ExitCode } from "../support/errors.ts";
import type { CommandContext } from "./answer.ts";
import { openStore } from "./store.ts";

/**
 * Whether a disk that lies upon another one is opened with that: an instance's own lies upon the image that it was made of,
 * and all others may come from strangers.
 */
export function backingOf(path: string, context: CommandContext): "follow" | "refuse" {
  return instanceOf(path, context) === undefined ? "refuse" : "follow";
}

/** @throws CapstanError `instance-running` (73) for the disk of an instance that runs: a copy would be of several moments. */
export function checkAtRest(path: string, context: CommandContext): void {
  const name = instanceOf(path, context);
  if (name === undefined) return;
  const lock = readLock(dirname(path));
  if (lock === undefined || !isHeld(lock)) return;
  throw new CapstanError(`${path} is the disk of the instance ${name}, which runs and may write to it`, {
    code: "instance-running",
    hint: `Stop it first: capstan stop ${name}`,
    exitCode: ExitCode.cannotCreate,
  });
}

/** The instance that a disk is of; undefined for other files. */
function instanceOf(path: string, context: CommandContext): string | undefined {
  const folder = dirname(path);
  const { root } = openStore(context).layout;
  if (basename(path) !== FILES.disk) return undefined;
  const name = basename(folder);
  return realpath(folder) === realpath(join(instancesFolder(root), name)) ? name : undefined;
}

function realpath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}
