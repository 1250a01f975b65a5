import { ConsoleLines } from "./console/lines.ts";
import { readLog } from "./console/log-reader.ts";
import type { ProbeResult } from "./probe-port.ts";

export interface FindLineInput {
  /** The instance's. */
  readonly folder: string;
  readonly pattern: string;
  /** Of what was said before then (ms since 1970), nothing counts. */
  readonly since: number;
  readonly signal: AbortSignal;
  /** Whether nothing more will be said. */
  readonly isOver?: (() => boolean) | undefined;
}

/** Waits for a line of the console that matches, and returns it; undefined at the end and at the signal's abort. */
export async function findLine(input: FindLineInput): Promise<string | undefined> {
  const pattern = new RegExp(input.pattern);
  let found: string | undefined;
  const lines = new ConsoleLines((line) => {
    if (found === undefined && pattern.test(line)) found = line;
  });
  for await (const chunk of readLog({ ...input, follow: true })) {
    lines.push(chunk);
    // A prompt has no end, and is what many programs say when they are ready.
    const { unfinished } = lines;
    if (found === undefined && unfinished !== "" && pattern.test(unfinished)) found = unfinished;
    if (found !== undefined) return found;
  }
  lines.finish();
  return found;
}

/** Looks for a line in the background: what is seen once has been seen. */
export class LogProbe {
  readonly #stop = new AbortController();
  #line: string | undefined;
  #error: unknown;

  constructor(input: Omit<FindLineInput, "signal" | "isOver">) {
    findLine({ ...input, signal: this.#stop.signal }).then(
      (line) => {
        this.#line = line;
      },
      (error: unknown) => {
        this.#error = error;
      },
    );
  }

  result(): ProbeResult {
    if (this.#error !== undefined) throw this.#error;
    return this.#line === undefined ? { ok: false, output: "no line matches yet" } : { ok: true, output: this.#line };
  }

  close(): void {
    this.#stop.abort();
  }
}
