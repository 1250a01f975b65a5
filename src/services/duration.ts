/** A span of time as the Compose specification writes it (`10s`, `1m30s`, `500ms`, `1h`), in milliseconds; undefined for others. */
export function parseDuration(text: string): number | undefined {
  const trimmed = text.trim();
  if (!/^(?:\d{1,9}(?:\.\d{1,6})?(?:h|ms|m|s))+$/.test(trimmed)) return undefined;
  let total = 0;
  for (const [, number, unit] of trimmed.matchAll(/([\d.]+)(h|ms|m|s)/g))
    total += Number(number) * (UNITS[unit ?? ""] ?? 0);
  return Number.isFinite(total) && total <= LONGEST ? Math.round(total) : undefined;
}

const UNITS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };
/** What a timer can wait for. */
const LONGEST = 2 ** 31 - 1;
