import { withQmp } from "../hypervisors/qemu/qmp.ts";
import { CapstanError } from "../support/errors.ts";
import { isRecord } from "../support/records.ts";
import type { Snapshot } from "./snapshot.ts";

export const instanceStatuses = [
  "created",
  "running",
  "paused",
  "restarting",
  "stopped",
  "failed",
  /** It cannot be started again. */
  "broken",
] as const;
export type InstanceStatus = (typeof instanceStatuses)[number];

export interface Status {
  readonly status: InstanceStatus;
  /** Why it is failed or broken, or what is remarkable about a running one. */
  readonly reason?: string | undefined;
}

/** What an instance is doing. The processes decide, and QEMU itself; what was written down only where they say nothing. */
export async function statusOf(snapshot: Snapshot): Promise<Status> {
  if (snapshot.hasQemu) return await statusOfGuest(snapshot);
  const over = endOfThisRun(snapshot);
  if (over !== undefined) return over;
  if (snapshot.isHeld) return { status: snapshot.state?.state === "restarting" ? "restarting" : "created" };
  return statusAtRest(snapshot);
}

/** Of one whose supervisor is there still, to tidy up. What is written down may be of the run before: the times tell. */
function endOfThisRun({ isHeld, lock, state }: Snapshot): Status | undefined {
  const ended = state?.times.ended;
  const started = Date.parse(lock?.owner?.started ?? "");
  if (!isHeld || ended === undefined || !(ended >= started)) return undefined;
  if (state?.state !== "stopped" && state?.state !== "failed") return undefined;
  return { status: state.state, reason: state.state === "failed" ? state.reason : undefined };
}

const ANSWER_MS = 1500;

async function statusOfGuest({ lock, isSupervised }: Snapshot): Promise<Status> {
  const alone = isSupervised
    ? undefined
    : "its supervisor was killed: the guest goes on without log, input and restarts";
  const monitor = lock?.owner?.monitor;
  if (monitor === undefined) return { status: "running", reason: alone };
  try {
    const said = await withQmp(monitor, { timeoutMs: ANSWER_MS }, (qmp) => qmp.execute("query-status"));
    const word = isRecord(said) ? said.status : undefined;
    if (word === "io-error")
      return { status: "paused", reason: "QEMU could not write to its disk: is this machine's full?" };
    if (isRecord(said) && said.running === false && word !== "prelaunch") return { status: "paused", reason: alone };
    return { status: "running", reason: alone };
  } catch (error) {
    // Just being started or ended, or so busy that it does not come to answer: its process is there.
    const isSilent = error instanceof CapstanError && error.code === "qmp-timeout";
    return { status: "running", reason: alone ?? (isSilent ? "QEMU is there, but does not answer" : undefined) };
  }
}

function statusAtRest({ config, problem, state, lock }: Snapshot): Status {
  if (problem !== undefined) return { status: "broken", reason: problem };
  if (config === undefined) {
    const what =
      lock === undefined ? "it holds nothing that could be started" : "it was left behind when its capstan was killed";
    return { status: "broken", reason: what };
  }
  switch (state?.state) {
    case "failed":
      return { status: "failed", reason: state.reason };
    case "created":
      return { status: "failed", reason: "its start was cut off" };
    case "running":
    case "restarting":
      return {
        status: "failed",
        reason: "its run was cut off: QEMU or its supervisor was killed, or this machine went down",
      };
    default:
      return { status: "stopped" };
  }
}
