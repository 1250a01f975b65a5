import { CapstanError, withNoun } from "../../support/errors.ts";
import type { CommandContext } from "../answer.ts";
import type { OpenStore } from "../store.ts";

export type Level = "ok" | "warning" | "failure";

/** One line of the doctor's. */
export interface Finding {
  /** What was looked at: one word, stable, for scripts. */
  readonly check: string;
  /** A warning: something is slower, or a feature is missing. A failure: guests do not run, or something is damaged. */
  readonly level: Level;
  readonly text: string;
  /** What to do about it; null for what is well. */
  readonly cure: string | null;
}

/** What every check may look at. */
export interface Patient {
  readonly context: CommandContext;
  readonly store: OpenStore;
}

export interface Check {
  readonly name: string;
  readonly run: (patient: Patient) => Promise<readonly Finding[]> | readonly Finding[];
}

export function ok(check: string, text: string): Finding {
  return { check, level: "ok", text, cure: null };
}

export function warning(check: string, text: string, cure: string): Finding {
  return { check, level: "warning", text, cure };
}

export function failure(check: string, text: string, cure: string): Finding {
  return { check, level: "failure", text, cure };
}

/** What an error that users can cause says as a finding; all others are bugs, and stay errors. */
export function fromError(check: string, level: "warning" | "failure", error: unknown): Finding {
  const known = withNoun(error, `Checking ${check}`);
  if (!(known instanceof CapstanError) || known.code === "interrupted") throw known;
  const text = [known.message, ...known.details].join("; ");
  return { check, level, text, cure: known.hint ?? "Look into it by hand." };
}
