import { CapstanError, ExitCode } from "./errors.ts";

/** What a letter behind a number of bytes means. */
export const SIZE_UNITS: Readonly<Record<string, number>> = { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

export interface SizeOptions {
  /** For the message: `--size`. */
  readonly flag: string;
}

/** `512M`, `10G`, `2GB`, `1GiB` in bytes: units are powers of 1024. Throws a usage error that names the flag. */
export function parseSize(text: string, options: SizeOptions): number {
  const match = /^(\d+)\s*([KMGT])(?:i?B)?$/i.exec(text.trim());
  const size =
    match === null ? Number.NaN : Number(match[1]) * (SIZE_UNITS[match[2]?.toUpperCase() ?? ""] ?? Number.NaN);
  if (Number.isSafeInteger(size) && size > 0) return size;
  throw new CapstanError(`${options.flag} '${text}' is not a size`, {
    code: "bad-size",
    exitCode: ExitCode.usage,
    hint: "Write a whole number and a unit, such as 512M or 10G.",
  });
}
