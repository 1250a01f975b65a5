import { CapstanError, ExitCode } from "../../support/errors.ts";
import { isRecord } from "../../support/records.ts";

/**
 * What is said on a supervisor's control socket: each line one JSON object. A request is `{id, do, …}` and its answer
 * `{id, ok: true, …}` or `{id, error: {code, message, hint}}`; answers come as they are ready, in whatever order.
 *
 * - `status`: `{state}`, as state.json would have it now.
 * - `stop {graceMs}`: asks the guest to power off, and ends it after that time; `{how, state}` when it is over.
 * - `kill`: the same without asking.
 * - `input {data}`: bytes for the guest's console in base64; answered when QEMU has taken them.
 * - `wait`: `{state}` when the instance has come to its end, restarts included.
 * - `resize {columns, rows}`: accepted; a serial console has no size.
 */
export type Arguments = Readonly<Record<string, unknown>>;

export interface Request {
  readonly id: number;
  readonly do: string;
  readonly args: Arguments;
}

/** How a guest was stopped: by itself when asked, or ended. */
export type StopHow = "powered-off" | "ended";

export const LONGEST_LINE = 1 << 20;
/** How much input goes into one request. */
export const INPUT_PIECE = 16 * 1024;

/** Undefined for what is no request. */
export function parseRequest(line: string): Request | undefined {
  const value = parseLine(line);
  if (value === undefined || typeof value.id !== "number" || typeof value.do !== "string") return undefined;
  return { id: value.id, do: value.do, args: value };
}

export type ControlAnswer =
  | { readonly id: number; readonly ok: true; readonly value: Arguments }
  | { readonly id: number; readonly ok: false; readonly error: CapstanError };

/** Undefined for what is no answer. */
export function parseAnswer(line: string): ControlAnswer | undefined {
  const value = parseLine(line);
  if (value === undefined || typeof value.id !== "number") return undefined;
  if (value.ok === true) return { id: value.id, ok: true, value };
  return { id: value.id, ok: false, error: parseError(value.error) };
}

/** An error for the way to another process. */
export function errorRecord(error: unknown): Arguments {
  if (!(error instanceof CapstanError)) {
    return { code: "internal", message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
  const { code, message, hint, exitCode, details } = error;
  return { code, message, hint, exitCode, details };
}

/** As errorRecord made it. */
export function parseError(value: unknown): CapstanError {
  const { code, message, hint, exitCode, details } = isRecord(value) ? value : {};
  return new CapstanError(typeof message === "string" ? message : "The supervisor did not say what is wrong", {
    code: typeof code === "string" ? code : "bad-answer",
    hint: typeof hint === "string" ? hint : undefined,
    exitCode: Object.values(ExitCode).find((known) => known === exitCode),
    details: Array.isArray(details) ? details.filter((line) => typeof line === "string") : undefined,
  });
}

function parseLine(line: string): Arguments | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
