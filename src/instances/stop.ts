import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Context } from "../support/context.ts";
import { CapstanError, checkAborted, ExitCode, isErrno } from "../support/errors.ts";
import { removeMonitorFolder } from "./acquire.ts";
import { findInstance } from "./find.ts";
import { FILES } from "./layout.ts";
import { isHeld, type Lock, type Owner, readLock, release, removeFolder } from "./lock.ts";
import { pressPowerButton } from "./power.ts";
import { isAlive, type ProcessIdentity } from "./process-identity.ts";

export interface StopInput {
  readonly root: string;
  readonly name: string;
  /** How long the guest may take to power off before it is ended; 10 s. */
  readonly waitMs?: number | undefined;
}

export interface StopResult {
  readonly name: string;
  /** How it came to a stop: by itself when asked, or ended. */
  readonly how: "powered-off" | "ended" | "not-running";
}

/**
 * Asks a running guest to power off, waits, and ends it if it does not.
 * @throws CapstanError `no-such-instance` (66), `instance-not-stopped` (1)
 */
export async function stopInstance({ root, name, waitMs = 10_000 }: StopInput, context: Context): Promise<StopResult> {
  const folder = findInstance(root, name);
  const lock = readLock(folder);
  if (lock?.owner === undefined || !isHeld(lock)) return { name, how: "not-running" };
  const { owner } = lock;
  const how = await stopGuest(owner, waitMs, context);
  await tidyUp(lock, owner);
  if (owner.qemu !== undefined && isAlive(owner.qemu)) throw notStopped(name);
  return { name, how };
}

async function stopGuest(owner: Owner, waitMs: number, { reporter, signal }: Context): Promise<StopResult["how"]> {
  const { monitor, qemu } = owner;
  if (qemu === undefined) {
    // It is only just being started: its capstan does as it would at a SIGTERM.
    send(owner.capstan, "SIGTERM");
    await gone(owner.capstan, waitMs, signal);
    return "ended";
  }
  if (monitor !== undefined) {
    try {
      await pressPowerButton(monitor, () => !isAlive(qemu));
      if (await gone(qemu, waitMs, signal)) return "powered-off";
    } catch (error) {
      checkAborted(signal);
      reporter.report({ kind: "detail", text: `The guest could not be asked to power off: ${error}` });
    }
  }
  if (!isAlive(qemu)) return "powered-off";
  send(qemu, "SIGTERM");
  if (!(await gone(qemu, 2000, signal))) send(qemu, "SIGKILL");
  await gone(qemu, 2000, signal);
  return "ended";
}

/** A capstan that is alive tidies up after its guest; after one that was killed, we do. */
async function tidyUp(lock: Lock, owner: Owner): Promise<void> {
  for (let waited = 0; waited < 3000 && isAlive(owner.capstan) && isThere(lock); waited += 20) await delay(20);
  if (!isThere(lock) || isHeld(lock)) return;
  removeMonitorFolder(owner.monitorFolder);
  if (existsSync(join(lock.folder, FILES.config))) {
    rmSync(join(lock.folder, FILES.monitor), { force: true });
    release(lock);
  } else {
    removeFolder(lock.folder);
  }
}

function isThere(lock: Lock): boolean {
  const now = readLock(lock.folder);
  return now?.generation === lock.generation && now.owner?.capstan.start === lock.owner?.capstan.start;
}

async function gone(who: ProcessIdentity, withinMs: number, signal: AbortSignal): Promise<boolean> {
  for (let waited = 0; waited < withinMs; waited += 20) {
    if (!isAlive(who)) return true;
    checkAborted(signal);
    await delay(20);
  }
  return !isAlive(who);
}

function send(who: ProcessIdentity, signal: NodeJS.Signals): void {
  if (!isAlive(who)) return;
  try {
    process.kill(who.pid, signal);
  } catch (error) {
    if (isErrno(error, "ESRCH")) return;
    throw new CapstanError(`The process ${who.pid} of the instance cannot be ended`, {
      code: "instance-not-stopped",
      hint: "It belongs to another user: stop it as that user.",
      exitCode: ExitCode.runFailed,
      cause: error,
    });
  }
}

function notStopped(name: string): CapstanError {
  return new CapstanError(`The instance ${name} has not stopped`, {
    code: "instance-not-stopped",
    hint: "Look at its process: capstan instances --json",
    exitCode: ExitCode.runFailed,
  });
}
