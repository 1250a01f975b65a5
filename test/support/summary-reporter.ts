import type { Reporter, TestModule } from "vitest/node";

/** Ends a run with one line that tools can read: `N passed, N failed, N skipped`. */
export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const counts = { passed: 0, failed: 0, skipped: 0, pending: 0 };
    for (const module of modules) {
      for (const test of module.children.allTests()) counts[test.result().state]++;
      // A file that does not load has no tests, and must not pass for that.
      if (module.state() === "failed" && [...module.children.allTests("failed")].length === 0) counts.failed++;
    }
    const failed = counts.failed + (unhandledErrors.length > 0 ? 1 : 0);
    process.stdout.write(`\n${counts.passed} passed, ${failed} failed, ${counts.skipped + counts.pending} skipped\n`);
  }
}
