import { readdirSync } from "node:fs";
import { isErrno, withNoun } from "../support/errors.ts";
import { formatForward } from "./forwards.ts";
import type { Health } from "./health.ts";
import { instancesFolder } from "./layout.ts";
import { type Snapshot, takeSnapshot } from "./snapshot.ts";
import { type InstanceStatus, type Status, statusOf } from "./status.ts";

export interface InstanceInfo {
  readonly name: string;
  readonly platform: "qemu";
  readonly status: InstanceStatus;
  readonly image: string;
  readonly persistent: boolean;
  /** Since when it is what it is; ISO 8601. */
  readonly since?: string | undefined;
  /** ISO 8601, of a running one. */
  readonly started?: string | undefined;
  /** QEMU's process, of a running one. */
  readonly pid?: number | undefined;
  /** The process that looks after it, of a running one. */
  readonly supervisor?: number | undefined;
  /** Why it failed, what is wrong with a broken one, what is remarkable about a running one. */
  readonly reason?: string | undefined;
  readonly health?: Health["status"] | undefined;
  /** As `-f` takes them; of a running one, with the ports that were really taken. */
  readonly ports: readonly string[];
  /** In bytes. */
  readonly memory?: number | undefined;
  readonly cpus?: number | undefined;
  /** The exit status of the guest's program at its last end, where its console told it. */
  readonly guestStatus?: number | undefined;
  readonly restarts: number;
  readonly labels: Readonly<Record<string, string>>;
}

/** All instances by name; a broken one is listed with the reason and hides no other. */
export async function listInstances(root: string): Promise<InstanceInfo[]> {
  const infos = await Promise.all(instanceNames(root).map((name) => instanceInfo(root, name)));
  return infos.filter((info) => info !== undefined);
}

/** One instance, or undefined where there is none of that name. */
export async function instanceInfo(root: string, name: string): Promise<InstanceInfo | undefined> {
  const snapshot = await takeSnapshot(root, name);
  return snapshot === undefined ? undefined : toInfo(snapshot, await statusOf(snapshot));
}

export function toInfo(snapshot: Snapshot, { status, reason }: Status): InstanceInfo {
  const { name, lock, config, state, isHeld, isSupervised, hasQemu } = snapshot;
  const owner = lock?.owner;
  return {
    ...{ name, platform: "qemu", status, reason },
    image: config?.image ?? owner?.image ?? "",
    persistent: isHeld ? (owner?.persist ?? false) : true,
    since: since(snapshot, status),
    started: isHeld ? owner?.started : undefined,
    pid: hasQemu ? owner?.qemu?.pid : undefined,
    supervisor: isSupervised ? owner?.capstan.pid : undefined,
    health: hasQemu ? state?.health?.status : undefined,
    ports: ((isHeld ? state?.forwards : undefined) ?? config?.forwards ?? []).map(formatForward),
    memory: config?.memory ?? state?.memory,
    cpus: config?.cpus ?? state?.cpus,
    guestStatus: isHeld ? undefined : state?.guestStatus,
    restarts: state?.restarts ?? 0,
    labels: config?.labels ?? {},
  };
}

function since({ state, isHeld, lock }: Snapshot, status: InstanceStatus): string | undefined {
  if (state === undefined) return isHeld ? lock?.owner?.started : undefined;
  const { asked, qemuStarted, ended } = state.times;
  const time = status === "running" || status === "paused" ? (qemuStarted ?? asked) : (ended ?? qemuStarted ?? asked);
  return new Date(time).toISOString();
}

/** Of all folders of instances. */
export function instanceNames(root: string): string[] {
  const folder = instancesFolder(root);
  try {
    return readdirSync(folder)
      .filter((name) => !name.startsWith("."))
      .sort();
  } catch (error) {
    if (isErrno(error, "ENOENT")) return [];
    throw withNoun(error, `Reading ${folder}`);
  }
}
