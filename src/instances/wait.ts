import { setTimeout as delay } from "node:timers/promises";
import type { Context } from "../support/context.ts";
import { checkAborted } from "../support/errors.ts";
import { findControl } from "./control/client.ts";
import { findInstance } from "./find.ts";
import { instanceInfo } from "./list.ts";
import { isHeld, type Lock, readLock } from "./lock.ts";
import { type InstanceState, parseState } from "./state.ts";
import { isThere } from "./tidy.ts";

export interface WaitResult {
  readonly name: string;
  readonly state: "stopped" | "failed" | "unknown";
  readonly reason?: string | undefined;
  /** The exit status of the guest's program: as its console told it, else 0 for one that ended well and 1 for one that did not. */
  readonly guestStatus?: number | undefined;
}

/**
 * Waits until an instance has come to its end, restarts included; returns at once for one that does not run.
 * @throws CapstanError `no-such-instance` (66)
 */
export async function waitForInstance(root: string, name: string, { signal }: Context): Promise<WaitResult> {
  const folder = findInstance(root, name);
  for (;;) {
    const lock = readLock(folder);
    if (lock === undefined || !isHeld(lock)) return await resultAtRest(root, name);
    const control = await findControl(lock);
    const hangUp = () => control?.close();
    signal.addEventListener("abort", hangUp, { once: true });
    try {
      const state = parseState((await control?.request("wait"))?.state);
      if (state !== undefined) {
        await untilReleased(lock, signal);
        return toResult(name, state);
      }
    } catch {
      // Its supervisor was killed: what is left to see is whether QEMU is there.
    } finally {
      signal.removeEventListener("abort", hangUp);
      control?.close();
    }
    checkAborted(signal);
    await delay(POLL_MS, undefined, { signal }).catch(() => checkAborted(signal));
  }
}

const POLL_MS = 200;
const TIDYING_MS = 5000;

/** Its supervisor tells the end before it has tidied up: whoever waited shall be able to start and delete it at once. */
async function untilReleased(lock: Lock, signal: AbortSignal): Promise<void> {
  const step = 10;
  for (let waited = 0; waited < TIDYING_MS && isThere(lock) && isHeld(lock); waited += step) {
    await delay(step, undefined, { signal }).catch(() => checkAborted(signal));
  }
}

async function resultAtRest(root: string, name: string): Promise<WaitResult> {
  const info = await instanceInfo(root, name);
  if (info === undefined) return { name, state: "unknown", reason: "it was removed" };
  const { status, reason, guestStatus } = info;
  if (status === "stopped") return { name, state: status, guestStatus: guestStatus ?? 0 };
  return { name, state: "failed", reason, guestStatus: guestStatus ?? 1 };
}

function toResult(name: string, { state, reason, guestStatus }: InstanceState): WaitResult {
  if (state === "failed") return { name, state, reason, guestStatus: guestStatus ?? 1 };
  return { name, state: "stopped", reason, guestStatus: guestStatus ?? 0 };
}
