import { CapstanError } from "../../src/support/errors.ts";

/** The CapstanError that the work throws; anything else fails the test. */
export function failureOf(work: () => unknown): CapstanError {
  try {
    work();
  } catch (error) {
    if (error instanceof CapstanError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

/** All the problems that an error tells of, one a line. */
export function problemsOf(work: () => unknown): readonly string[] {
  const error = failureOf(work);
  return error.details.length === 0 ? [error.message] : error.details;
}
