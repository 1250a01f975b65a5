import type { CapstanError } from "../../support/errors.ts";
import { isRecord } from "../../support/records.ts";
import type { ReportEvent } from "../../support/reporter.ts";
import { type Arguments, errorRecord, parseError } from "../control/protocol.ts";
import type { PlanInput } from "../run-input.ts";
import { type InstanceState, parseState } from "../state.ts";

/**
 * What a supervisor is to do. It reads this from its stdin, as one JSON text, and trusts it: it comes from the process that
 * started it, of the same installation.
 */
export interface SupervisorRequest {
  readonly cwd: string;
  readonly verbose: boolean;
  readonly input: Omit<PlanInput, "commandLine">;
  /** What to boot with; the composed one without it. */
  readonly commandLine?: string | undefined;
}

/** What a supervisor tells whoever started it, each a JSON text on a line of its own, until one has come that is not `event`. */
export type SupervisorMessage =
  | { readonly kind: "event"; readonly event: ReportEvent }
  /** The guest is up. */
  | { readonly kind: "ready"; readonly name: string; readonly state: InstanceState }
  | { readonly kind: "error"; readonly error: CapstanError };

export function formatMessage(message: SupervisorMessage): string {
  const record: Arguments =
    message.kind === "error" ? { kind: "error", error: errorRecord(message.error) } : { ...message };
  return `${JSON.stringify(record)}\n`;
}

/** Undefined for what is none. */
export function parseMessage(line: string): SupervisorMessage | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (!isRecord(value)) return undefined;
  if (value.kind === "error") return { kind: "error", error: parseError(value.error) };
  if (value.kind === "event" && isRecord(value.event))
    return { kind: "event", event: value.event as unknown as ReportEvent };
  const state = value.kind === "ready" ? parseState(value.state) : undefined;
  if (state === undefined || !isRecord(value) || typeof value.name !== "string") return undefined;
  return { kind: "ready", name: value.name, state };
}
