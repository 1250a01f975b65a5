import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";
import type { Context } from "../../src/support/context.ts";
import { CapstanError } from "../../src/support/errors.ts";
import type { ReportEvent } from "../../src/support/reporter.ts";

/** A folder that goes away with the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "capstan-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export interface TestContext extends Context {
  readonly events: ReportEvent[];
}

export function testContext(cwd: string, more: Partial<Context> = {}): TestContext {
  const events: ReportEvent[] = [];
  return {
    cwd,
    env: {},
    now: () => new Date(2026, 10, 20, 9, 11),
    signal: new AbortController().signal,
    reporter: { report: (event) => void events.push(event), verbose: true },
    events,
    ...more,
  };
}

/** Writes files, and the folders that they need. */
export function writeFiles(folder: string, files: Readonly<Record<string, string | Uint8Array>>): void {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
}

export function manifestOf(name: string, more = ""): string {
  return `name: ${name}\ntitle: The ${name}\nauthor: Somebody\n${more}`;
}

/** The CapstanError that `work` fails with; anything else, success included, fails the test. */
export async function failureOf(work: () => unknown): Promise<CapstanError> {
  let value: unknown;
  try {
    value = await work();
  } catch (error) {
    if (error instanceof CapstanError) return error;
    throw error;
  }
  throw new Error(`it succeeded with ${JSON.stringify(value)}`);
}
