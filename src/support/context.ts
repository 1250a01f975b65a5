import type { Reporter } from "./reporter.ts";

/** The world as a command sees it, in one value: nothing below cli/ reads process.*, the clock or the environment by itself. */
export interface Context {
  /** Absolute path that relative paths are resolved against. */
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly now: () => Date;
  readonly signal: AbortSignal;
  readonly reporter: Reporter;
}
