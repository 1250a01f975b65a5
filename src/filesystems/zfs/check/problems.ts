import { CapstanError } from "../../../support/errors.ts";

/** Gathers what is wrong, a sentence each; of very many, only the first are kept. */
export class Problems {
  readonly list: string[] = [];
  count = 0;

  add(problem: string): void {
    this.count++;
    if (this.list.length < MAX_LISTED) this.list.push(problem);
  }

  /** Adds `what` when the two differ. */
  same(actual: number, expected: number, what: string): void {
    if (actual !== expected) this.add(`${what}: ${actual} instead of ${expected}`);
  }

  /** The result, or undefined where reading the pool failed: then that is one problem more. */
  guard<T>(work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof CapstanError)) throw error;
      this.add(error.message);
      return undefined;
    }
  }
}

const MAX_LISTED = 200;
