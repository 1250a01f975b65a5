import { logLimits } from "../instances/console/log-writer.ts";
import { type HealthCheck, usualHealth } from "../instances/health.ts";
import { type Probe, parseProbe } from "../instances/probe.ts";
import { parseSize } from "../support/sizes.ts";
import { countFlag, durationFlag } from "./durations.ts";
import { type Input, usageError } from "./input.ts";

/** What is waited for after a start, and how long. */
export interface WaitFor {
  readonly probe: Probe;
  readonly limitMs: number;
}

const USUAL_WAIT_MS = 60_000;

/** --wait-for and --wait-timeout. */
export function waitFlags(input: Input): WaitFor | undefined {
  const text = input.text("wait-for");
  const limitMs = durationFlag(input, "wait-timeout");
  if (text !== undefined) return { probe: parseProbe(text), limitMs: limitMs ?? USUAL_WAIT_MS };
  if (limitMs === undefined) return undefined;
  throw usageError("--wait-timeout goes with --wait-for.", "Say what to wait for: --wait-for tcp:80");
}

/** --health and what goes with it. */
export function healthFlags(input: Input): HealthCheck | undefined {
  const text = input.text("health");
  const [intervalMs, timeoutMs] = [durationFlag(input, "health-interval"), durationFlag(input, "health-timeout")];
  const [retries, startMs] = [countFlag(input, "health-retries"), durationFlag(input, "health-start-period")];
  if (retries === 0) throw usageError("--health-retries 0 would let a guest never be healthy.", "Write at least 1.");
  const others = { intervalMs, timeoutMs, retries, startMs };
  const given = Object.entries(others).filter(([, value]) => value !== undefined);
  if (text !== undefined) return { probe: parseProbe(text), ...usualHealth, ...Object.fromEntries(given) };
  if (given.length === 0) return undefined;
  throw usageError("What is said of the health goes with --health.", "Say what to look at: --health tcp:80");
}

/** --log-size, in bytes. */
export function logSizeFlag(input: Input): number | undefined {
  const text = input.text("log-size");
  if (text === undefined) return undefined;
  const bytes = parseSize(text, { flag: "--log-size" });
  const { maxBytes, files } = logLimits(bytes);
  if (maxBytes * files <= bytes) return bytes;
  throw usageError(`--log-size '${text}' is too small.`, "Write at least 16K.");
}
