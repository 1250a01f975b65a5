import { GiB } from "../support/bytes.ts";
import type { Context } from "../support/context.ts";
import { parseSize } from "../support/sizes.ts";

/** Sets the limit for one command, and as a variable for all of them. */
export const UNPACK_LIMIT = "CAPSTAN_UNPACK_LIMIT";

/**
 * How many bytes a package or an image may unpack to: a gzip file of a megabyte may hold a gigabyte of zeros. 64 GiB unless
 * CAPSTAN_UNPACK_LIMIT says otherwise: the disks of images are large, and mostly holes that take no space.
 * Error: CapstanError `bad-size`.
 */
export function unpackLimit({ env = {} }: Partial<Pick<Context, "env">>): number {
  const text = env[UNPACK_LIMIT] ?? "";
  return text === "" ? 64 * GiB : parseSize(text, { flag: UNPACK_LIMIT });
}
