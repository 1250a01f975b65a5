import { count } from "../../support/count.ts";
import type { Reporter } from "../../support/reporter.ts";

/** Reports of one kind that a hostile or broken listing could make thousands of: the first few, then how many more. */
export class FewReports {
  readonly #reporter: Reporter;
  readonly #kind: "detail" | "warning";
  #total = 0;

  constructor(reporter: Reporter, kind: "detail" | "warning") {
    this.#reporter = reporter;
    this.#kind = kind;
  }

  add(text: string): void {
    this.#total++;
    if (this.#total <= SHOWN) this.#reporter.report({ kind: this.#kind, text });
  }

  end(): void {
    if (this.#total <= SHOWN) return;
    this.#reporter.report({
      kind: this.#kind,
      text: `And ${count(this.#total - SHOWN, "more problem")} of this kind.`,
    });
  }
}

const SHOWN = 20;
