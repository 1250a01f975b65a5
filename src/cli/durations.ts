import { parseDuration } from "../services/duration.ts";
import { type Input, usageError } from "./input.ts";

/** A flag's span of time in ms: `1m30s`, `500ms`, or a number of seconds. */
export function durationFlag(input: Input, flag: string): number | undefined {
  const text = input.text(flag);
  if (text === undefined) return undefined;
  const span = parseDuration(/^[\d.]+$/.test(text) ? `${text}s` : text);
  if (span !== undefined && span > 0) return span;
  throw usageError(
    `--${flag} '${text}' is not a span of time.`,
    `Write a number of seconds, or with units: --${flag} 1m30s`,
  );
}

/** A flag's point in time in ms since 1970: a span before now, a date, or seconds since 1970. */
export function sinceFlag(input: Input, now: Date): number | undefined {
  const text = input.text("since");
  if (text === undefined) return undefined;
  const span = parseDuration(text);
  if (span !== undefined) return now.getTime() - span;
  const time = /^\d{1,12}(\.\d{1,9})?$/.test(text)
    ? Number(text) * 1000
    : /^\d{4}-/.test(text)
      ? Date.parse(text)
      : NaN;
  if (Number.isFinite(time)) return time;
  throw usageError(
    `--since '${text}' is no time.`,
    "Write how long ago it was (10m, 1h30m), a date such as 2026-01-31T12:00:00Z, or seconds since 1970.",
  );
}

/** A flag that counts something. */
export function countFlag(input: Input, flag: string): number | undefined {
  const text = input.text(flag);
  if (text === undefined) return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw usageError(`--${flag} '${text}' is not a whole number.`, `Write one, such as --${flag} 10.`);
}
