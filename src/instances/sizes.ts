import { GiB, MiB } from "../support/bytes.ts";
import { CapstanError, ExitCode } from "../support/errors.ts";
import { SIZE_UNITS } from "../support/sizes.ts";

/** OSv's own limit (sched::max_cpus): one bit of a word for each. */
export const MAX_CPUS = 64;
const MIN_MEMORY = 16 * MiB;
const MAX_MEMORY = 1024 * GiB;

/**
 * A memory size such as `1G`, `512M`, `1.5G`, or a plain number of MiB as QEMU has it; in bytes.
 * @throws CapstanError `bad-memory` (64)
 */
export function parseMemory(text: string): number {
  const found = /^(\d{1,9}(?:\.\d{1,3})?)\s*([KMGT]?)(?:i?B)?$/i.exec(text.trim());
  const unit = SIZE_UNITS[found?.[2]?.toUpperCase() || "M"];
  if (found === null || unit === undefined) {
    throw usage("bad-memory", `'${text}' is not a memory size`, "Write it as 512M or 2G; a plain number counts MiB.");
  }
  const bytes = Number(found[1]) * unit;
  if (bytes < MIN_MEMORY || bytes > MAX_MEMORY) {
    throw usage("bad-memory", `A guest cannot have ${text} of memory`, "Give it 16M to 1T, such as -m 512M.");
  }
  return Math.ceil(bytes / MiB) * MiB;
}

/**
 * A number of processors.
 * @throws CapstanError `bad-cpus` (64)
 */
export function parseCpus(text: string): number {
  const count = /^\d{1,4}$/.test(text.trim()) ? Number(text) : 0;
  if (count >= 1 && count <= MAX_CPUS) return count;
  throw usage("bad-cpus", `A guest cannot have '${text}' processors`, `Give it 1 to ${MAX_CPUS}.`);
}

function usage(code: string, message: string, hint: string): CapstanError {
  return new CapstanError(message, { code, hint, exitCode: ExitCode.usage });
}
