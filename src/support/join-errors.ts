import { CapstanError } from "./errors.ts";

/**
 * Several errors of one input as one: that of the first, with the messages of all as `details` and each hint once. The array
 * is not empty.
 */
export function joinErrors(errors: readonly [CapstanError, ...CapstanError[]]): CapstanError {
  const [first, ...others] = errors;
  if (others.length === 0) return first;
  const hints = new Set(errors.flatMap(({ hint }) => hint ?? []));
  return new CapstanError(first.message, {
    code: first.code,
    exitCode: first.exitCode,
    details: errors.flatMap(({ message, details }) => (details.length === 0 ? [message] : details)),
    hint: hints.size === 0 ? undefined : [...hints].join("\n"),
    cause: first,
  });
}

/** Does all of the work before it tells what of it failed for a reason that `isExpected`: anything else ends it at once. */
export class Failures {
  readonly #isExpected: (error: CapstanError) => boolean;
  readonly #errors: CapstanError[] = [];

  constructor(isExpected: (error: CapstanError) => boolean) {
    this.#isExpected = isExpected;
  }

  /** Undefined where it failed. */
  try<T>(work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof CapstanError) || !this.#isExpected(error)) throw error;
      this.#errors.push(error);
      return undefined;
    }
  }

  /** Throws them all as one. */
  check(): void {
    const [first, ...others] = this.#errors;
    if (first !== undefined) throw joinErrors([first, ...others]);
  }
}
