import type { HttpContext, HttpTuning } from "../../src/remotes/http-tuning.ts";
import { CapstanError } from "../../src/support/errors.ts";
import type { ReportEvent } from "../../src/support/reporter.ts";

export interface TestContext extends HttpContext {
  readonly events: ReportEvent[];
  /** How long it would have slept, each time. */
  readonly sleeps: number[];
}

export interface TestContextOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly now?: Date;
  readonly signal?: AbortSignal;
  readonly http?: Partial<HttpTuning>;
}

/** A context of its own environment, that does not sleep between attempts and remembers what was reported. */
export function testContext(options: TestContextOptions = {}): TestContext {
  const events: ReportEvent[] = [];
  const sleeps: number[] = [];
  return {
    cwd: "/",
    env: options.env ?? {},
    now: () => options.now ?? new Date(),
    signal: options.signal ?? new AbortController().signal,
    reporter: { report: (event) => events.push(event), verbose: true },
    http: {
      sleep: async (milliseconds) => {
        sleeps.push(milliseconds);
      },
      random: () => 0,
      ...options.http,
    },
    events,
    sleeps,
  };
}

/** The error that a promise is rejected with: a CapstanError, or the test fails. */
export async function failure(work: Promise<unknown>): Promise<CapstanError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof CapstanError) return error;
    throw error;
  }
  throw new Error("it succeeded, and should have failed");
}
