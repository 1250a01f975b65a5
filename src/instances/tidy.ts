import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { CapstanError } from "../support/errors.ts";
import { removeMonitorFolder } from "./acquire.ts";
import { FILES } from "./layout.ts";
import { claim, isHeld, type Lock, readLock, release, removeFolder } from "./lock.ts";
import { identify } from "./process-identity.ts";
import { type InstanceState, readState, writeState } from "./state.ts";

/** Whether the lock is still the one that rules its folder. */
export function isThere(lock: Lock): boolean {
  const now = readLock(lock.folder);
  return now?.generation === lock.generation && now.owner?.capstan.start === lock.owner?.capstan.start;
}

/**
 * Tidies up after a run whose supervisor was killed, as that would have done: what is not kept goes, and of the rest the
 * sockets and the lock. `last` is what is then written down. Nothing is touched while a process of the run is alive.
 * Returns whether there was something to do.
 */
export function tidyUpAfter(lock: Lock, last?: Partial<InstanceState>): boolean {
  if (!isThere(lock) || isHeld(lock)) return false;
  const { folder, owner } = lock;
  return whileOurs(folder, () => {
    removeMonitorFolder(owner?.monitorFolder);
    removeMonitorFolder(owner?.controlFolder);
    if (!existsSync(join(folder, FILES.config))) {
      removeFolder(folder);
      return;
    }
    for (const socket of [FILES.monitor, FILES.control]) rmSync(join(folder, socket), { force: true });
    const state = readState(folder);
    if (last !== undefined && state !== undefined) writeState(folder, { ...state, ...last });
  });
}

/** Does something with the folder of an instance that does not run, and that nobody can start meanwhile; or returns false. */
export function whileOurs(folder: string, work: () => void): boolean {
  const before = readLock(folder);
  const { image = "", persist = true, started = "" } = before?.owner ?? {};
  try {
    const claimed = claim(folder, { image, persist, started, capstan: identify(process.pid) });
    if (!claimed.claimed) return false;
    try {
      work();
    } finally {
      release(claimed.lock);
    }
  } catch (error) {
    // On a full disk nothing can be claimed, and tidying up is what helps.
    if (!(error instanceof CapstanError) || !["os-enospc", "os-edquot"].includes(error.code)) throw error;
    if (before !== undefined && isHeld(before)) return false;
    work();
  }
  return true;
}
