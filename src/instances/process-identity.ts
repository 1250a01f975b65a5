import { execFileSync } from "node:child_process";
import { readFileSync, readlinkSync } from "node:fs";
import { platform } from "node:os";
import { isErrno } from "../support/errors.ts";
import { isRecord } from "../support/records.ts";

/** A process, told from a later one that got the same number. */
export interface ProcessIdentity {
  readonly pid: number;
  /** When and where it started, in words that only this system understands; empty where that could not be found out. */
  readonly start: string;
}

export function identify(pid: number): ProcessIdentity {
  return { pid, start: startOf(pid) ?? "" };
}

/** Whether the process is there still. Where that cannot be told, it counts as alive: only the proven dead are replaced. */
export function isAlive({ pid, start }: ProcessIdentity): boolean {
  if (!isSamePlace(start)) return !isOlderBoot(start);
  if (!exists(pid)) return false;
  const now = startOf(pid);
  return now === undefined || start === "" || now === start;
}

export function parseIdentity(value: unknown): ProcessIdentity | undefined {
  if (!isRecord(value) || !Number.isSafeInteger(value.pid) || typeof value.start !== "string") return undefined;
  const pid = Number(value.pid);
  return pid > 1 ? { pid, start: value.start } : undefined;
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !isErrno(error, "ESRCH");
  }
}

/** `BOOT/PID NAMESPACE/TICKS` on Linux, the date on others; undefined when the process is not there or has ended. */
function startOf(pid: number): string | undefined {
  return platform() === "linux" ? startOnLinux(pid) : startByPs(pid);
}

function startOnLinux(pid: number): string | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The second field is the program's name in brackets and may hold anything, brackets too.
    const fields = status.slice(status.lastIndexOf(")") + 2).split(" ");
    const [state, ticks] = [fields[0], fields[19]];
    return state === "Z" || state === "X" || ticks === undefined ? "ended" : `${place()}/${ticks}`;
  } catch {
    return undefined;
  }
}

/** It stays the same for as long as a process lives. */
let knownPlace: string | undefined;

function place(): string {
  knownPlace ??= `${readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim()}/${readlinkSync("/proc/self/ns/pid")}`;
  return knownPlace;
}

/** In another container, numbers of processes mean other processes. */
function isSamePlace(start: string): boolean {
  return platform() !== "linux" || start === "" || start.startsWith(`${place()}/`);
}

function isOlderBoot(start: string): boolean {
  return start.split("/")[0] !== place().split("/")[0];
}

function startByPs(pid: number): string | undefined {
  try {
    const [state = "", ...date] = execFileSync("ps", ["-o", "state=,lstart=", "-p", String(pid)], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    })
      .trim()
      .split(/\s+/);
    return state.startsWith("Z") ? "ended" : date.join(" ");
  } catch {
    return undefined;
  }
}
