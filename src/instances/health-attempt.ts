import type { HealthCheck, WatchHealthInput } from "./health.ts";
import { LogProbe } from "./probe-log.ts";
import { type ProbeTarget, tryPort } from "./probe-port.ts";

export interface AttemptsInput extends ProbeTarget {
  readonly check: HealthCheck;
  /** The instance's. */
  readonly folder: string;
  /** When this start was asked for, in ms since 1970. */
  readonly since: number;
}

/** How the check of a running guest is made. What `input` tells of the ports is looked up at each attempt. */
export function healthAttempts(input: AttemptsInput): {
  readonly attempt: WatchHealthInput["attempt"];
  readonly close: () => void;
} {
  const { check, folder, since } = input;
  const { probe, timeoutMs } = check;
  if (probe.kind === "log") {
    const log = new LogProbe({ folder, pattern: probe.pattern, since });
    return { attempt: async () => log.result(), close: () => log.close() };
  }
  return {
    attempt: async (signal) => {
      const { ok, output } = await tryPort(probe, input, { timeoutMs, signal });
      return { ok, output: `port ${probe.port} ${output}` };
    },
    close: () => {},
  };
}
