import { setTimeout as delay } from "node:timers/promises";
import type { Context } from "../support/context.ts";
import { CapstanError, checkAborted, ExitCode } from "../support/errors.ts";
import { findControl } from "./control/client.ts";
import { findInstance } from "./find.ts";
import { isHeld, type Lock, type Owner, readLock } from "./lock.ts";
import { pressPowerButton } from "./power.ts";
import { isAlive, type ProcessIdentity } from "./process-identity.ts";
import { sendSignal } from "./signal.ts";
import { isThere, tidyUpAfter } from "./tidy.ts";

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
 * Asks a running guest to power off, waits, and ends it if it does not. Its supervisor does that; where that was killed, or
 * does not answer, we do.
 * @throws CapstanError `no-such-instance` (66), `instance-not-stopped` (1)
 */
export async function stopInstance({ root, name, waitMs = 10_000 }: StopInput, context: Context): Promise<StopResult> {
  return await endInstance({ root, name, what: "stop", waitMs }, context);
}

/**
 * Ends a running guest at once, as if its power were cut.
 * @throws CapstanError `no-such-instance` (66), `instance-not-stopped` (1)
 */
export async function killInstance(root: string, name: string, context: Context): Promise<StopResult> {
  return await endInstance({ root, name, what: "kill", waitMs: 0 }, context);
}

interface EndInput {
  readonly root: string;
  readonly name: string;
  readonly what: "stop" | "kill";
  readonly waitMs: number;
}

async function endInstance(input: EndInput, context: Context): Promise<StopResult> {
  const { root, name } = input;
  const lock = readLock(findInstance(root, name));
  if (lock?.owner === undefined || !isHeld(lock)) return { name, how: "not-running" };
  const how = (await askSupervisor(lock, input, context)) ?? (await endByOurselves(lock, input, context));
  await untilTidy(lock);
  const { qemu } = readLock(lock.folder)?.owner ?? lock.owner;
  if (isThere(lock) && qemu !== undefined && isAlive(qemu)) throw notStopped(name);
  return { name, how };
}

/** What a supervisor may need beyond the guest's time: to end QEMU the hard way, and to tidy up. */
const EXTRA_MS = { stop: 10_000, kill: 3000 } as const;

/** Undefined where there is none, or none that does it. */
async function askSupervisor(
  lock: Lock,
  { what, waitMs }: EndInput,
  { signal }: Context,
): Promise<StopResult["how"] | undefined> {
  const control = await findControl(lock);
  if (control === undefined) return undefined;
  const late = new AbortController();
  try {
    const answer = control.request(what, { graceMs: waitMs });
    const limit = delay(waitMs + EXTRA_MS[what], undefined, { signal: AbortSignal.any([signal, late.signal]) });
    const said = await Promise.race([answer, limit]);
    return said?.how === "ended" ? "ended" : said === undefined ? undefined : "powered-off";
  } catch {
    checkAborted(signal);
    return undefined;
  } finally {
    late.abort();
    control.close();
  }
}

async function endByOurselves(before: Lock, { what, waitMs }: EndInput, context: Context): Promise<StopResult["how"]> {
  const lock = readLock(before.folder);
  if (lock?.owner === undefined || !isThere(before)) return "powered-off";
  const { owner } = lock;
  const how = await endGuest(owner, what === "kill" ? undefined : waitMs, context);
  // It was given its time: what is left of it would only be in the way.
  if (owner.control !== undefined && isAlive(owner.capstan)) await endStuckSupervisor(lock, owner.capstan, context);
  return how;
}

async function endStuckSupervisor(lock: Lock, supervisor: ProcessIdentity, { signal }: Context): Promise<void> {
  for (let waited = 0; waited < 5000 && isThere(lock); waited += 20) await delay(20);
  if (!isThere(lock)) return;
  sendSignal(supervisor, "SIGKILL");
  await gone(supervisor, 2000, signal);
}

async function endGuest(owner: Owner, waitMs: number | undefined, context: Context): Promise<StopResult["how"]> {
  const { monitor, qemu } = owner;
  const { reporter, signal } = context;
  if (qemu === undefined || !isAlive(qemu)) {
    // It is only just being started: its capstan does as it would at a SIGTERM.
    sendSignal(owner.capstan, "SIGTERM");
    await gone(owner.capstan, Math.max(waitMs ?? 0, 2000), signal);
    return "ended";
  }
  if (monitor !== undefined && waitMs !== undefined) {
    try {
      await pressPowerButton(monitor, () => !isAlive(qemu));
      if (await gone(qemu, waitMs, signal)) return "powered-off";
    } catch (error) {
      checkAborted(signal);
      reporter.report({ kind: "detail", text: `The guest could not be asked to power off: ${error}` });
    }
  }
  if (waitMs !== undefined) {
    if (!isAlive(qemu)) return "powered-off";
    sendSignal(qemu, "SIGTERM");
    await gone(qemu, 2000, signal);
  }
  if (isAlive(qemu)) sendSignal(qemu, "SIGKILL");
  await gone(qemu, 2000, signal);
  return "ended";
}

/** A supervisor that is alive tidies up after its guest; after one that was killed, we do. */
async function untilTidy(lock: Lock): Promise<void> {
  const { owner } = lock;
  for (let waited = 0; waited < 3000 && isThere(lock); waited += 20) {
    if (owner === undefined || !isAlive(owner.capstan)) break;
    await delay(20);
  }
  tidyUpAfter(readLock(lock.folder) ?? lock, { state: "stopped", end: "stopped", reason: undefined });
}

async function gone(who: ProcessIdentity, withinMs: number, signal: AbortSignal): Promise<boolean> {
  for (let waited = 0; waited < withinMs; waited += 20) {
    if (!isAlive(who)) return true;
    checkAborted(signal);
    await delay(20);
  }
  return !isAlive(who);
}

function notStopped(name: string): CapstanError {
  return new CapstanError(`The instance ${name} has not stopped`, {
    code: "instance-not-stopped",
    hint: "Look at its process: capstan instances --json",
    exitCode: ExitCode.runFailed,
  });
}
