import type { OpenAnswer } from "./http-exchange.ts";

/** What a server asks to wait is waited up to this; more than that is an error that says until when. */
export const MAX_WAIT_MS = 60_000;

type Answer = Pick<OpenAnswer, "status" | "headers">;

/**
 * 429, or 403 with what GitHub sends along: `x-ratelimit-remaining: 0`, or `retry-after` for its secondary limits.
 * Source: GitHub REST API, "Rate limits for the REST API".
 */
export function isRateLimited({ status, headers }: Answer): boolean {
  if (status === 429) return true;
  return status === 403 && (headers["x-ratelimit-remaining"] === "0" || headers["retry-after"] !== undefined);
}

/** For how many milliseconds the server asks to wait; undefined when it does not say, or nothing that makes sense. */
export function waitOf({ headers }: Answer, now: Date): number | undefined {
  // By the server's clock where it tells its time: ours may be wrong.
  const there = Date.parse(headers.date ?? "");
  const time = Number.isNaN(there) ? now.getTime() : there;
  const after = headers["retry-after"]?.trim();
  if (after !== undefined) return bounded(/^\d+$/.test(after) ? Number(after) * 1000 : Date.parse(after) - time);
  const reset = headers["x-ratelimit-reset"]?.trim() ?? "";
  if (headers["x-ratelimit-remaining"] !== "0" || !/^\d+$/.test(reset)) return undefined;
  return bounded(Number(reset) * 1000 - time);
}

/** A time that is long past or years away is a mistake. */
function bounded(wait: number): number | undefined {
  return Number.isNaN(wait) || wait > 366 * DAY_MS ? undefined : Math.max(0, wait);
}

const DAY_MS = 24 * 60 * 60 * 1000;

/** `14:05`, with the date where it is another day; the next whole minute, so that it is over by then. */
export function localTime(milliseconds: number, now: Date): string {
  const time = new Date(Math.ceil(milliseconds / 60_000) * 60_000);
  const two = (value: number) => String(value).padStart(2, "0");
  const clock = `${two(time.getHours())}:${two(time.getMinutes())}`;
  if (time.toDateString() === now.toDateString()) return clock;
  return `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())} ${clock}`;
}
