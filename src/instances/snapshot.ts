import { existsSync } from "node:fs";
import { join } from "node:path";
import { CapstanError, withNoun } from "../support/errors.ts";
import { type InstanceConfig, readConfig } from "./config.ts";
import { FILES, instanceFolder } from "./layout.ts";
import { isHeld, type Lock, readLock } from "./lock.ts";
import { isAlive } from "./process-identity.ts";
import { type InstanceState, readState } from "./state.ts";

/** All that an instance's folder and this machine's processes tell of it. */
export interface Snapshot {
  readonly name: string;
  readonly folder: string;
  readonly lock: Lock | undefined;
  /** Whether its supervisor or its QEMU is alive. */
  readonly isHeld: boolean;
  readonly isSupervised: boolean;
  readonly hasQemu: boolean;
  /** Undefined for one that nobody keeps. */
  readonly config: InstanceConfig | undefined;
  /** What keeps a kept one from being started. */
  readonly problem: string | undefined;
  readonly state: InstanceState | undefined;
}

/** Undefined where there is no instance of that name. */
export async function takeSnapshot(root: string, name: string): Promise<Snapshot | undefined> {
  const folder = instanceFolder(root, name);
  if (!existsSync(folder)) return undefined;
  // The state first: a process that ends between the two looks has written its last one by then, or never will.
  const before = readLock(folder);
  const state = readState(folder);
  const { config, problem } = await tryConfig(folder);
  const lock = readLock(folder);
  const owner = lock?.owner;
  const held = lock !== undefined && isHeld(lock);
  // Another run has begun, or the last one has ended, in between.
  const isSettled = before?.generation === lock?.generation && before?.owner?.qemu?.pid === owner?.qemu?.pid;
  const wasAtRest = before === undefined && lock === undefined;
  if (!existsSync(folder)) return undefined;
  return {
    ...{ name, folder, lock, config, problem },
    isHeld: held,
    isSupervised: owner !== undefined && isAlive(owner.capstan),
    hasQemu: owner?.qemu !== undefined && isAlive(owner.qemu),
    state: (isSettled && held) || wasAtRest ? state : readState(folder),
  };
}

async function tryConfig(folder: string): Promise<Pick<Snapshot, "config" | "problem">> {
  if (!existsSync(join(folder, FILES.config))) return { config: undefined, problem: undefined };
  try {
    const config = await readConfig(folder);
    const problem = existsSync(join(folder, FILES.disk)) ? undefined : `its disk ${FILES.disk} is missing`;
    return { config, problem };
  } catch (error) {
    const known = withNoun(error, `Reading ${join(folder, FILES.config)}`);
    if (known instanceof CapstanError) return { config: undefined, problem: known.message };
    throw error;
  }
}
