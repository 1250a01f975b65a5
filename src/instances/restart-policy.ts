import { CapstanError, ExitCode } from "../support/errors.ts";

/** Whether an instance whose guest has ended is started once more. Never after it was stopped by a user. */
export type RestartPolicy =
  | { readonly kind: "no" }
  /** When the guest failed; `most` times in a row, without it as often as it fails. */
  | { readonly kind: "on-failure"; readonly most?: number | undefined }
  | { readonly kind: "always" };

export const NO_RESTART: RestartPolicy = { kind: "no" };

/**
 * Reads `no`, `on-failure`, `on-failure:N` or `always`.
 * @throws CapstanError `bad-restart-policy` (64)
 */
export function parseRestartPolicy(text: string): RestartPolicy {
  if (text === "no" || text === "always") return { kind: text };
  const found = /^on-failure(?::(\d{1,6}))?$/.exec(text);
  if (found !== null) {
    const most = found[1] === undefined ? undefined : Number(found[1]);
    return most === 0 ? NO_RESTART : { kind: "on-failure", most };
  }
  throw new CapstanError(`'${text}' does not say when to restart`, {
    code: "bad-restart-policy",
    hint: "Write no, on-failure, on-failure:N or always.",
    exitCode: ExitCode.usage,
  });
}

/** As parseRestartPolicy reads it. */
export function formatRestartPolicy(policy: RestartPolicy): string {
  return policy.kind === "on-failure" && policy.most !== undefined ? `on-failure:${policy.most}` : policy.kind;
}

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 60_000;
/** A guest that has run for so long was well: pauses and counts begin anew. */
export const STEADY_MS = 10_000;

/** How long to wait before the restart that comes after `earlier` others in a row. */
export function pauseBeforeRestart(earlier: number): number {
  return Math.min(FIRST_PAUSE_MS * 2 ** Math.min(earlier, 30), LONGEST_PAUSE_MS);
}

/** Whether a guest that has ended by itself is started again. `earlier`: restarts in a row so far. */
export function wantsRestart(policy: RestartPolicy, failed: boolean, earlier: number): boolean {
  if (policy.kind === "no") return false;
  return policy.kind === "always" || (failed && earlier < (policy.most ?? Number.POSITIVE_INFINITY));
}
