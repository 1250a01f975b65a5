/** Bytes of a file: both ends are in it. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * What of a file of `size` bytes a Range header asks for (RFC 9110, 14.1.2 and 14.2): undefined is all of it, since what is
 * none, and several ranges at once, may be passed over.
 */
export function parseRange(header: string | undefined, size: number): ByteRange | "unsatisfiable" | undefined {
  const match = /^bytes=\s*(?<first>\d*)-(?<last>\d*)\s*$/i.exec(header ?? "");
  const { first = "", last = "" } = match?.groups ?? {};
  if (match === null || (first === "" && last === "")) return undefined;
  if (first === "") {
    const length = Math.min(Number(last), size);
    return length === 0 ? "unsatisfiable" : { start: size - length, end: size - 1 };
  }
  const start = Number(first);
  const end = last === "" ? size - 1 : Math.min(Number(last), size - 1);
  if (last !== "" && Number(last) < start) return undefined;
  return start >= size ? "unsatisfiable" : { start, end };
}
