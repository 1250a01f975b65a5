import { setTimeout as delay } from "node:timers/promises";
import type { Context } from "../support/context.ts";
import { CapstanError, checkAborted, ExitCode } from "../support/errors.ts";
import { ConsoleLines } from "./console/lines.ts";
import { readLog } from "./console/log-reader.ts";
import { formatProbe, type Probe } from "./probe.ts";
import { findLine } from "./probe-log.ts";
import { addressOf, type ProbeTarget, tryPort } from "./probe-port.ts";

export interface ReadyInput extends ProbeTarget {
  readonly name: string;
  /** The instance's. */
  readonly folder: string;
  readonly probe: Probe;
  readonly limitMs: number;
  /** When this start was asked for, in ms since 1970: what was said before it does not count. */
  readonly since: number;
  /** Whether the guest is no longer there. */
  readonly isOver: () => boolean;
}

export interface Ready {
  /** What was seen: the line, the status. */
  readonly output: string;
  readonly waitedMs: number;
}

/** Before the start: that the probe can be made at all. @throws CapstanError `port-not-forwarded` (64) */
export function checkProbe(probe: Probe, target: ProbeTarget): void {
  if (probe.kind !== "log") addressOf(probe, target);
}

/**
 * Waits until the guest is ready. The guest goes on, whatever comes of it.
 * @throws CapstanError `not-ready` (1) when the time is over, `ended-before-ready` (1), `port-not-forwarded` (64)
 */
export async function waitUntilReady(input: ReadyInput, context: Context): Promise<Ready> {
  checkProbe(input.probe, input);
  const began = context.now().getTime();
  const limit = new AbortController();
  const abort = () => limit.abort();
  const timer = setTimeout(abort, input.limitMs);
  context.signal.addEventListener("abort", abort, { once: true });
  try {
    const { probe } = input;
    const last =
      probe.kind === "log"
        ? await waitForLine(input, probe.pattern, limit.signal)
        : await waitForPort(input, probe, limit.signal);
    checkAborted(context.signal);
    if (!last.ok) throw await notReady(input, last.output);
    return { output: last.output, waitedMs: context.now().getTime() - began };
  } finally {
    clearTimeout(timer);
    context.signal.removeEventListener("abort", abort);
  }
}

async function waitForLine(input: ReadyInput, pattern: string, signal: AbortSignal) {
  const line = await findLine({ ...input, pattern, signal });
  return { ok: line !== undefined, output: line ?? "no line matched" };
}

async function waitForPort(input: ReadyInput, probe: Exclude<Probe, { kind: "log" }>, signal: AbortSignal) {
  for (let pauseMs = 50; ; pauseMs = Math.min(pauseMs * 1.5, 500)) {
    const result = await tryPort(probe, input, { timeoutMs: ATTEMPT_MS, signal });
    if (result.ok || signal.aborted || input.isOver()) {
      return { ok: result.ok, output: `port ${probe.port} ${result.output}` };
    }
    await delay(pauseMs, undefined, { signal }).catch(() => {});
  }
}

const ATTEMPT_MS = 5000;
const SHOWN_LINES = 5;

async function notReady(input: ReadyInput, output: string): Promise<CapstanError> {
  const { name, probe, limitMs } = input;
  const what = formatProbe(probe);
  const details = await lastLines(input);
  if (input.isOver()) {
    return new CapstanError(`${name} ended before it was ready (${what})`, {
      code: "ended-before-ready",
      hint: "Its last lines are above.",
      exitCode: ExitCode.runFailed,
      details,
    });
  }
  return new CapstanError(`${name} is not ready after ${limitMs / 1000} s (${what}: ${output})`, {
    code: "not-ready",
    hint: `It goes on running. See capstan logs ${name}, wait longer with --wait-timeout, or end it: capstan stop ${name}`,
    exitCode: ExitCode.runFailed,
    details,
  });
}

async function lastLines({ folder, since }: ReadyInput): Promise<string[]> {
  const all: string[] = [];
  const lines = new ConsoleLines((line) => all.push(line));
  try {
    for await (const chunk of readLog({ folder, since, tail: SHOWN_LINES })) lines.push(chunk);
  } catch {
    // removed with its instance: there is nothing to show
  }
  lines.finish();
  return all.slice(-SHOWN_LINES);
}
