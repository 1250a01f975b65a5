import { HttpError } from "./http-errors.ts";
import { type HttpContext, pause, tuningOf } from "./http-tuning.ts";

/** Runs `attempt` until it succeeds, fails for good, or has failed as often as the context allows. */
export async function retrying<T>(what: string, context: HttpContext, attempt: () => Promise<T>): Promise<T> {
  const { attempts } = tuningOf(context);
  for (let made = 1; ; made++) {
    try {
      return await attempt();
    } catch (error) {
      if (made >= attempts || !mayRetry(error)) throw error;
      await waitToRetry(error, { what, made, context });
    }
  }
}

export function mayRetry(error: unknown): error is HttpError {
  return error instanceof HttpError && error.retryAfter !== undefined;
}

/**
 * Exponential, with jitter so that many who failed at once do not come back at once: after the n-th failure in a row from half of
 * 0.5 · 2^(n-1) s to the whole of it, 8 s at most; longer where the server asked for it.
 */
export async function waitToRetry(
  error: HttpError,
  retry: { readonly what: string; readonly made: number; readonly context: HttpContext },
): Promise<void> {
  const { what, made, context } = retry;
  const backOff = Math.min(FIRST_MS * 2 ** (made - 1), LONGEST_MS) * (0.5 + tuningOf(context).random() / 2);
  const wait = Math.ceil(Math.max(backOff, error.retryAfter ?? 0));
  const text = `${error.message}; trying again in ${(wait / 1000).toFixed(1)} s`;
  if (wait > LONGEST_MS)
    context.reporter.report({ kind: "step", text: `Waiting ${Math.ceil(wait / 1000)} s for ${what}` });
  else context.reporter.report({ kind: "detail", text });
  await pause(wait, context);
}

const FIRST_MS = 500;
const LONGEST_MS = 8_000;
