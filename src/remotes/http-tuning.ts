import { setMaxListeners } from "node:events";
import { setTimeout } from "node:timers/promises";
import type { Context } from "../support/context.ts";
import { checkAborted } from "../support/errors.ts";

/** Times in milliseconds. The connection itself has 10 s. */
export interface HttpTuning {
  /** In all, the first one included. */
  readonly attempts: number;
  /** From the request to the end of the answer's headers. */
  readonly headersTimeout: number;
  /** Without a byte of the body. */
  readonly bodyTimeout: number;
  /** For the whole of one attempt at a small document: what drips for ever ends. */
  readonly documentTimeout: number;
  /** Rejects when the signal asks for a stop. */
  sleep(milliseconds: number, signal: AbortSignal): Promise<void>;
  /** From 0 to below 1. */
  random(): number;
}

/** A context may carry other times, for tests: all functions take it as the Context that it is. */
export interface HttpContext extends Context {
  readonly http?: Partial<HttpTuning> | undefined;
}

export function tuningOf(context: HttpContext): HttpTuning {
  return { ...DEFAULTS, ...context.http };
}

const DEFAULTS: HttpTuning = {
  attempts: 4,
  headersTimeout: 30_000,
  bodyTimeout: 30_000,
  documentTimeout: 180_000,
  sleep: (milliseconds, signal) => setTimeout(milliseconds, undefined, { signal }),
  random: () => Math.random(),
};

/** Sleeps as the context says; a stop that was asked for meanwhile is the InterruptedError of the signal. */
export async function pause(milliseconds: number, context: HttpContext): Promise<void> {
  try {
    await tuningOf(context).sleep(milliseconds, context.signal);
  } catch (error) {
    checkAborted(context.signal);
    throw error;
  }
  checkAborted(context.signal);
}

/** Runs `work` with a signal that also fires after that time, with a DOMException of the name TimeoutError. */
export async function withDeadline<T>(
  signal: AbortSignal,
  milliseconds: number | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (milliseconds === undefined) return await work(signal);
  const controller = new AbortController();
  const pass = () => controller.abort(signal.reason);
  const timer = globalThis.setTimeout(() => {
    controller.abort(new DOMException("took too long", "TimeoutError"));
  }, milliseconds);
  // One for each request that is under way: there may be many.
  setMaxListeners(0, signal);
  signal.addEventListener("abort", pass);
  try {
    if (signal.aborted) pass();
    return await work(controller.signal);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", pass);
  }
}
