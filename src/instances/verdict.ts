import type { InstanceState } from "./state.ts";
import type { Supervised } from "./supervise.ts";

/** What became of a guest, for the instance's state. */
export type Verdict = Pick<InstanceState, "reason" | "guestStatus" | "end"> & { readonly state: "stopped" | "failed" };

/** `timeoutMs`: what it might take. */
export function judge({ end, findings }: Supervised, timeoutMs: number | undefined): Verdict {
  const { failed, guestStatus } = findings;
  const common = { guestStatus, end };
  switch (end) {
    case "stopped":
    case "killed":
    case "interrupted":
    case "terminated":
      return { ...common, state: "stopped", reason: undefined };
    case "timeout":
      return { ...common, state: "failed", reason: `it ran longer than ${(timeoutMs ?? 0) / 1000} s` };
    case "halted":
      return { ...common, state: "failed", reason: lastWords(findings) ?? "its kernel gave up and stood still" };
    default:
      if (!failed) return { ...common, state: "stopped", reason: undefined };
      if (guestStatus === undefined) return { ...common, state: "failed", reason: lastWords(findings) };
      return { ...common, state: "failed", reason: `its program ended with exit status ${guestStatus}` };
  }
}

/** Of an instance that could not be started, or whose QEMU failed. */
export function failure(error: unknown): Verdict {
  const reason = error instanceof Error ? error.message : String(error);
  return { state: "failed", end: "qemu", reason, guestStatus: undefined };
}

export function isByUser({ end }: Verdict): boolean {
  return end === "stopped" || end === "killed" || end === "interrupted" || end === "terminated" || end === "timeout";
}

function lastWords({ signals }: Supervised["findings"]): string | undefined {
  const line = signals.at(-1)?.line;
  return line === undefined ? undefined : `it said: ${line}`;
}
