import { randomBytes } from "node:crypto";
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Acceleration, Forward } from "../hypervisors/machine.ts";
import { isRecord } from "../support/records.ts";
import { readRegularFile } from "../support/regular-file.ts";
import { parseForwards } from "./forwards.ts";
import type { Health } from "./health.ts";
import { FILES } from "./layout.ts";

export const instanceStates = ["created", "running", "stopped", "failed", "restarting"] as const;

/** Why a guest is no longer there. */
export const ends = [
  /** It powered off, by itself or asked by another process. */
  "guest",
  /** The user's Ctrl-C: it powered off, or was ended. */
  "interrupted",
  /** SIGTERM or SIGHUP. */
  "terminated",
  /** Its kernel had given up and stood still. */
  "halted",
  /** A user stopped it: it powered off when asked. */
  "stopped",
  /** A user stopped it, and it had to be ended. */
  "killed",
  /** It ran longer than it may. */
  "timeout",
  /** QEMU itself failed. */
  "qemu",
] as const;
export type End = (typeof ends)[number];

/**
 * What a supervisor writes down of its instance. Nobody believes it against what the processes say: a `running` without
 * a process is a run that was cut off.
 */
export interface InstanceState {
  readonly version: 1;
  readonly state: (typeof instanceStates)[number];
  /** Why it failed, in a sentence without a full stop. */
  readonly reason?: string | undefined;
  /** The exit status of the guest's program, where its console told it. */
  readonly guestStatus?: number | undefined;
  readonly end?: End | undefined;
  /** With the host ports that were really taken. */
  readonly forwards: readonly Forward[];
  /** How often it was started again by its restart policy. */
  readonly restarts: number;
  readonly health?: Health | undefined;
  readonly times: InstanceTimes;
  /** In bytes. */
  readonly memory?: number | undefined;
  readonly cpus?: number | undefined;
  /** QEMU and its arguments. */
  readonly argv?: readonly string[] | undefined;
  /** What the guest booted with. */
  readonly commandLine?: string | undefined;
  readonly acceleration?: Acceleration | undefined;
  /** Of the first card. */
  readonly mac?: string | undefined;
}

/** Milliseconds since 1970; of the last start, but for `created`. */
export interface InstanceTimes {
  readonly created: number;
  readonly asked: number;
  readonly qemuStarted?: number | undefined;
  readonly firstByte?: number | undefined;
  /** The first line that the program itself wrote, not its kernel. */
  readonly firstLine?: number | undefined;
  readonly ended?: number | undefined;
}

/** Written whole or not at all; not synced, as it tells nothing that outlives a crash of this machine. */
export function writeState(folder: string, state: InstanceState): void {
  const temporary = join(folder, `.state-${randomBytes(6).toString("hex")}`);
  try {
    writeFileSync(temporary, `${JSON.stringify(state)}\n`, { flag: "wx" });
    renameSync(temporary, join(folder, FILES.state));
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** Undefined where there is none, or none that can be understood. */
export function readState(folder: string): InstanceState | undefined {
  try {
    const bytes = readRegularFile(join(folder, FILES.state), { limit: LONGEST_STATE });
    return parseState(JSON.parse(bytes.toString("utf8")));
  } catch {
    return undefined;
  }
}

const LONGEST_STATE = 4 << 20;

/** What parseState cannot understand of the less important is left out. */
export function parseState(value: unknown): InstanceState | undefined {
  if (!isRecord(value) || value.version !== 1 || !isRecord(value.times)) return undefined;
  const state = instanceStates.find((known) => known === value.state);
  const { created, asked, qemuStarted, firstByte, firstLine, ended } = value.times;
  if (state === undefined || !isTime(created) || !isTime(asked)) return undefined;
  const optional = (time: unknown) => (isTime(time) ? time : undefined);
  return {
    version: 1,
    state,
    reason: text(value.reason),
    guestStatus: integer(value.guestStatus),
    end: ends.find((known) => known === value.end),
    forwards: forwardsOf(value.forwards),
    restarts: integer(value.restarts) ?? 0,
    health: healthOf(value.health),
    times: {
      ...{ created, asked },
      qemuStarted: optional(qemuStarted),
      firstByte: optional(firstByte),
      firstLine: optional(firstLine),
      ended: optional(ended),
    },
    memory: integer(value.memory),
    cpus: integer(value.cpus),
    argv: Array.isArray(value.argv) && value.argv.every((word) => typeof word === "string") ? value.argv : undefined,
    commandLine: text(value.commandLine),
    acceleration: (["kvm", "hvf", "tcg"] as const).find((known) => known === value.acceleration),
    mac: text(value.mac),
  };
}

/** Dates go up to 8.64e15. */
function isTime(value: unknown): value is number {
  return typeof value === "number" && Math.abs(value) <= 8.64e15;
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function integer(value: unknown): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) ? value : undefined;
}

function forwardsOf(value: unknown): readonly Forward[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((one): Forward[] => {
    if (!isRecord(one) || typeof one.address !== "string") return [];
    const { hostPort, guestPort, protocol } = one;
    try {
      return parseForwards([`${one.address === "" ? "" : `${one.address}:`}${hostPort}:${guestPort}/${protocol}`]);
    } catch {
      return [];
    }
  });
}

function healthOf(value: unknown): Health | undefined {
  if (!isRecord(value) || !isTime(value.checked)) return undefined;
  const status = (["starting", "healthy", "unhealthy"] as const).find((known) => known === value.status);
  if (status === undefined) return undefined;
  return { status, failures: integer(value.failures) ?? 0, lastOutput: text(value.lastOutput), checked: value.checked };
}
