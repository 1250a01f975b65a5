import { existsSync, readdirSync, rmdirSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { CapstanError, ExitCode } from "../support/errors.ts";
import { FILES, instanceFolder, instancesFolder } from "./layout.ts";
import { claim, isHeld, type Lock, type Owner, readLock, release } from "./lock.ts";
import { endLeftDaemons } from "./mounts/left.ts";

/** The folder of an instance that is ours for the time of a run. */
export interface Acquired {
  readonly name: string;
  readonly folder: string;
  readonly lock: Lock;
}

const MOST_OF_A_NAME = 1000;

export function isPersisted(root: string, name: string): boolean {
  return existsSync(join(instanceFolder(root, name), FILES.config));
}

/**
 * Claims the folder of a persisted instance.
 * @throws CapstanError `instance-running` (73)
 */
export function acquirePersisted(root: string, name: string, owner: Owner): Acquired {
  const folder = instanceFolder(root, name);
  const result = claim(folder, owner);
  if (!result.claimed) throw running(name);
  return { name, folder, lock: result.lock };
}

/**
 * Claims a folder for a new instance: that of the name or, where another instance has it and the name does not matter,
 * NAME-2, NAME-3, …. What a killed capstan has left in it is removed; a folder whose owner is alive, or that holds an
 * instance that is kept, is never touched.
 * @throws CapstanError `instance-running`, `instance-exists` (73)
 */
export function acquireNew(root: string, name: string, { owner, exact }: NewInstance): Acquired {
  sweepRemoved(root);
  for (const candidate of candidates(name)) {
    if (candidate !== name && isPersisted(root, candidate)) continue;
    const folder = instanceFolder(root, candidate);
    const result = claim(folder, owner);
    if (result.claimed) {
      // Made and ended by another one since we looked.
      if (isPersisted(root, candidate)) {
        release(result.lock);
        if (exact) throw exists(name);
        continue;
      }
      empty(folder, result.lock);
      return { name: candidate, folder, lock: result.lock };
    }
    if (exact) throw running(name);
  }
  throw running(name);
}

export interface NewInstance {
  readonly owner: Owner;
  /** Whether it is that name or none. */
  readonly exact: boolean;
}

/** The name that acquireNew would choose now. */
export function freeName(root: string, name: string): string {
  for (const candidate of candidates(name)) {
    const lock = readLock(instanceFolder(root, candidate));
    const isFree = lock === undefined || !isHeld(lock);
    if (isFree && (candidate === name || !isPersisted(root, candidate))) return candidate;
  }
  return name;
}

/** Removes the folder outside of the instance's that was made for the monitor of one that has ended. */
export function removeMonitorFolder(folder: string | undefined): void {
  // A lock is a file that others can write: nothing but what chooseMonitorPath makes is removed.
  if (folder === undefined || !/^capstan-[A-Za-z0-9]{6}$/.test(basename(folder))) return;
  try {
    rmSync(join(folder, "monitor"), { force: true });
    rmdirSync(folder);
  } catch {
    // Something else is in it, or it is gone already.
  }
}

function* candidates(name: string): Generator<string> {
  yield name;
  for (let number = 2; number <= MOST_OF_A_NAME; number++) yield `${name}-${number}`;
}

function empty(folder: string, lock: Lock): void {
  const ours = `lock.${lock.generation}`;
  endLeftDaemons(folder);
  for (const entry of readdirSync(folder)) {
    if (entry !== ours && !entry.startsWith(".lock-")) rmSync(join(folder, entry), { recursive: true, force: true });
  }
}

/** What removeFolder had put aside when it was killed. */
export function sweepRemoved(root: string): void {
  const folder = instancesFolder(root);
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder)) {
    if (entry.startsWith(".gone-")) rmSync(join(folder, entry), { recursive: true, force: true });
  }
}

function exists(name: string): CapstanError {
  return new CapstanError(`The instance ${name} is there already`, {
    code: "instance-exists",
    hint: `Start it with capstan start ${name}, or give the new one another name with --name.`,
    exitCode: ExitCode.cannotCreate,
  });
}

function running(name: string): CapstanError {
  return new CapstanError(`The instance ${name} is running`, {
    code: "instance-running",
    hint: `Stop it first (capstan stop ${name}), or give the new one another name with --name.`,
    exitCode: ExitCode.cannotCreate,
  });
}
