import { existsSync } from "node:fs";
import { join } from "node:path";
import { CapstanError } from "../support/errors.ts";
import { sweepRemoved } from "./acquire.ts";
import { deleteInstance } from "./delete.ts";
import { FILES, instanceFolder } from "./layout.ts";
import { instanceInfo, instanceNames } from "./list.ts";
import { isHeld, readLock, removeFolder } from "./lock.ts";
import { pruneNetworks } from "./network/hub/prune.ts";
import { tidyUpAfter, whileOurs } from "./tidy.ts";

export interface PruneResult {
  /** Instances that are gone. */
  readonly removed: readonly string[];
  /** Kept ones after which something was tidied up. */
  readonly tidied: readonly string[];
}

/**
 * Removes what killed processes have left behind. With `stopped`, all instances that are not running go too, with their
 * disks. One that runs is never touched.
 */
export async function pruneInstances(root: string, { stopped }: { readonly stopped: boolean }): Promise<PruneResult> {
  sweepRemoved(root);
  pruneNetworks(root);
  const removed: string[] = [];
  const tidied: string[] = [];
  for (const name of instanceNames(root)) {
    const folder = instanceFolder(root, name);
    const lock = readLock(folder);
    if (lock !== undefined && isHeld(lock)) continue;
    const isKept = existsSync(join(folder, FILES.config));
    if (lock !== undefined && tidyUpAfter(lock)) (isKept ? tidied : removed).push(name);
    // Nothing was made in it before its capstan was killed. One with a disk may be the original's, which has no locks.
    const isEmpty = lock === undefined && !isKept && !existsSync(join(folder, FILES.disk));
    if (isEmpty && whileOurs(folder, () => removeFolder(folder))) removed.push(name);
    if (stopped && (await isAtRest(root, name)) && tryDelete(root, name)) removed.push(name);
  }
  return { removed, tidied: tidied.filter((name) => !removed.includes(name)) };
}

async function isAtRest(root: string, name: string): Promise<boolean> {
  const info = await instanceInfo(root, name);
  return info !== undefined && ["stopped", "failed", "broken"].includes(info.status);
}

function tryDelete(root: string, name: string): boolean {
  try {
    deleteInstance(root, name);
    return true;
  } catch (error) {
    // Started or deleted by another one meanwhile.
    if (error instanceof CapstanError && ["instance-running", "no-such-instance"].includes(error.code)) return false;
    throw error;
  }
}
