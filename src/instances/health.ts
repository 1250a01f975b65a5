import { isRecord } from "../support/records.ts";
import { formatProbe, type Probe, parseProbe } from "./probe.ts";
import type { ProbeResult } from "./probe-port.ts";

/** How it is found out, again and again, whether a guest is well. */
export interface HealthCheck {
  readonly probe: Probe;
  /** From the end of one check to the next; at most 1 s before the first one, and until `startMs` is over. */
  readonly intervalMs: number;
  /** What one check may take. */
  readonly timeoutMs: number;
  /** How many failures in a row make it unhealthy. */
  readonly retries: number;
  /** After the start, failures do not count for so long. */
  readonly startMs: number;
}

export interface Health {
  readonly status: "starting" | "healthy" | "unhealthy";
  /** In a row. */
  readonly failures: number;
  /** What the last check saw. */
  readonly lastOutput?: string | undefined;
  /** When that was, or the watch began; milliseconds since 1970. */
  readonly checked: number;
}

/** As Docker has them. */
export const usualHealth = { intervalMs: 30_000, timeoutMs: 30_000, retries: 3, startMs: 0 } as const;

const STARTING_INTERVAL_MS = 1000;

export interface WatchHealthInput {
  readonly check: HealthCheck;
  /** Makes one check, and gives up at the abort. What it throws is a failure. */
  readonly attempt: (signal: AbortSignal) => Promise<ProbeResult>;
  /** Called at once, and after each check. */
  readonly onChange: (health: Health) => void;
  readonly now: () => Date;
}

/** Checks until the returned function is called. */
export function watchHealth({ check, attempt, onChange, now }: WatchHealthInput): () => void {
  const stop = new AbortController();
  const began = now().getTime();
  let health: Health = { status: "starting", failures: 0, checked: began };
  let timer: NodeJS.Timeout | undefined;
  // While a failure means nothing, looking more often costs nothing, and others may be waiting for a success.
  const soon = Math.min(check.intervalMs, STARTING_INTERVAL_MS);

  const round = async () => {
    const result = await attemptWithin(check.timeoutMs, attempt, stop.signal);
    if (stop.signal.aborted) return;
    health = judge(health, result, { check, began, time: now().getTime() });
    onChange(health);
    const isStarting = health.status === "starting" && health.checked < began + check.startMs;
    timer = setTimeout(round, isStarting ? soon : check.intervalMs);
  };
  onChange(health);
  timer = setTimeout(round, soon);
  return () => {
    stop.abort();
    clearTimeout(timer);
  };
}

interface Judgement {
  readonly check: HealthCheck;
  readonly began: number;
  readonly time: number;
}

function judge({ status, failures }: Health, result: ProbeResult, { check, began, time }: Judgement): Health {
  const seen = { lastOutput: result.output, checked: time };
  if (result.ok) return { status: "healthy", failures: 0, ...seen };
  if (status === "starting" && time < began + check.startMs) return { status, failures: 0, ...seen };
  const more = failures + 1;
  return { status: more >= check.retries ? "unhealthy" : status, failures: more, ...seen };
}

async function attemptWithin(
  timeoutMs: number,
  attempt: WatchHealthInput["attempt"],
  stop: AbortSignal,
): Promise<ProbeResult> {
  const limit = new AbortController();
  const abort = () => limit.abort();
  stop.addEventListener("abort", abort, { once: true });
  const timer = setTimeout(abort, timeoutMs);
  try {
    return await attempt(limit.signal);
  } catch (error) {
    return { ok: false, output: error instanceof Error ? error.message : String(error) };
  } finally {
    clearTimeout(timer);
    stop.removeEventListener("abort", abort);
  }
}

/** For osv.config. */
export function healthRecord(check: HealthCheck): Readonly<Record<string, unknown>> {
  return { ...check, probe: formatProbe(check.probe) };
}

/**
 * Reads what healthRecord has written; undefined for what is none.
 * @throws CapstanError `bad-probe` (64)
 */
export function parseHealthRecord(value: unknown): HealthCheck | undefined {
  if (!isRecord(value) || typeof value.probe !== "string") return undefined;
  const number = (key: keyof typeof usualHealth) => {
    const found = value[key];
    return typeof found === "number" && found >= 0 && found < 2 ** 31 ? Math.floor(found) : usualHealth[key];
  };
  return {
    probe: parseProbe(value.probe),
    intervalMs: Math.max(number("intervalMs"), 1),
    timeoutMs: Math.max(number("timeoutMs"), 1),
    retries: Math.max(number("retries"), 1),
    startMs: number("startMs"),
  };
}
