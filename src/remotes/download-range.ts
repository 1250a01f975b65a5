type Headers = Readonly<Record<string, string>>;

/** `bytes 100-199/200`, RFC 9110, 14.4; undefined when it is not of that form, or says nothing of the whole. */
export function parseContentRange(
  text: string | undefined,
): { readonly start: number; readonly end: number; readonly total: number } | undefined {
  const [, from, to, of] = /^bytes\s+(\d{1,16})-(\d{1,16})\/(\d{1,16})$/i.exec(text?.trim() ?? "") ?? [];
  const [start, end, total] = [Number(from), Number(to), Number(of)];
  return start <= end && end < total && Number.isSafeInteger(total) ? { start, end, total } : undefined;
}

/** `bytes *\/200`, of an answer 416. */
export function parseUnsatisfied(text: string | undefined): number | undefined {
  const total = /^bytes\s+\*\/(\d{1,15})$/i.exec(text?.trim() ?? "")?.[1];
  return total === undefined ? undefined : Number(total);
}

/** What If-Range may hold (RFC 9110, 13.1.5): a strong ETag or else a date; a weak ETag does not speak of bytes. */
export function validatorOf(headers: Headers): string | undefined {
  const etag = headers.etag?.trim() ?? "";
  if (/^"[^"]*"$/.test(etag)) return etag;
  if (etag !== "") return undefined;
  const modified = headers["last-modified"]?.trim() ?? "";
  return Number.isNaN(Date.parse(modified)) ? undefined : modified;
}

export function lengthOf({ headers }: { readonly headers: Headers }): number | undefined {
  const length = headers["content-length"]?.trim() ?? "";
  return /^\d{1,15}$/.test(length) ? Number(length) : undefined;
}
