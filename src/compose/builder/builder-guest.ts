import { setTimeout as delay } from "node:timers/promises";
import { explainFailure, isFailure } from "../../hypervisors/qemu/failures.ts";
import type { QemuProcess } from "../../hypervisors/qemu/process.ts";
import { CapstanError, ExitCode, InterruptedError } from "../../support/errors.ts";

export interface BuilderGuestOptions {
  readonly stallMs: number;
  readonly signal: AbortSignal;
  readonly onLine: (line: string) => void;
}

/**
 * The builder as it tells of itself on its console. Each wait ends: when what is waited for comes, when the guest says that
 * it failed, when QEMU ends, when nothing has happened for too long, or when the signal says so.
 */
export class BuilderGuest {
  readonly #process: QemuProcess;
  readonly #options: BuilderGuestOptions;
  readonly #last: string[] = [];
  readonly #waiting = deferred<void>();
  readonly #broken = deferred<never>();
  #timer: NodeJS.Timeout | undefined;
  #line = "";
  #hasFinished = false;

  constructor(process: QemuProcess, options: BuilderGuestOptions) {
    this.#process = process;
    this.#options = options;
    process.output.on("data", (chunk: Buffer) => this.#take(chunk.toString("latin1")));
    process.exited.then((exit) => {
      if (isFailure(exit)) this.#broken.reject(explainFailure(exit));
      else if (!this.#hasFinished) this.#broken.reject(this.#failed("powered off before it had written everything"));
    }, this.#broken.reject);
    options.signal.addEventListener("abort", this.#onAbort, { once: true });
    // Nobody may be waiting when it breaks.
    this.#broken.promise.catch(() => {});
    this.progress();
  }

  /** Until it takes files. User networking takes connections before the guest does: connecting is no test. */
  async waiting(): Promise<void> {
    await this.during(this.#waiting.promise);
  }

  /** Until it has powered off by itself. */
  async ended(): Promise<void> {
    await this.during(this.#process.exited);
    if (!this.#hasFinished) throw this.#failed("powered off before it had written everything");
  }

  /** The result of `work`, unless the guest breaks before. */
  async during<T>(work: Promise<T>): Promise<T> {
    work.catch(() => {});
    return await Promise.race([this.#broken.promise, work]);
  }

  /** Something has happened. */
  progress(): void {
    const { stallMs } = this.#options;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#broken.reject(
        new CapstanError(`The builder has shown no progress for ${Math.round(stallMs / 1000)} seconds`, {
          code: "builder-stalled",
          hint: "Leave --builder out: Capstan writes the file system itself. Or take the builder of the same release as the loader.",
          exitCode: ExitCode.unavailable,
          details: this.#last,
        }),
      );
    }, stallMs);
  }

  /** Leaves no process behind. */
  async end(): Promise<void> {
    clearTimeout(this.#timer);
    this.#options.signal.removeEventListener("abort", this.#onAbort);
    if (this.#process.hasExited()) return;
    this.#process.signal("SIGTERM");
    for (let waited = 0; waited < GRACE_MS && !this.#process.hasExited(); waited += 20) await delay(20);
    if (!this.#process.hasExited()) this.#process.signal("SIGKILL");
    await this.#process.exited;
  }

  readonly #onAbort = () => {
    const { reason } = this.#options.signal;
    this.#broken.reject(reason instanceof InterruptedError ? reason : new InterruptedError());
  };

  #take(text: string): void {
    this.progress();
    const lines = (this.#line + text).split(/[\r\n]+/);
    this.#line = (lines.pop() ?? "").slice(-LONGEST_LINE);
    for (const line of lines) this.#judge(line.slice(0, LONGEST_LINE).trim());
    // The older kernel leaves the end of this line in its buffer.
    if (this.#line.startsWith(WAITING)) this.#waiting.resolve();
  }

  #judge(line: string): void {
    if (line === "") return;
    this.#options.onLine(line);
    this.#last.push(line);
    if (this.#last.length > KEPT_LINES) this.#last.shift();
    if (line.startsWith(WAITING)) this.#waiting.resolve();
    if (line.startsWith("cpiod finished")) this.#hasFinished = true;
    // It halts then, and would say nothing more; the lines behind tell more of it.
    if (FATAL.test(line)) this.#broken.reject(this.#failed("gave up"));
  }

  #failed(how: string): CapstanError {
    return new CapstanError(`The builder ${how}: ${this.#last.at(-1) ?? "it said nothing"}`, {
      code: "builder-failed",
      hint: "Leave --builder out: Capstan writes the file system itself. A larger --size helps where the disk was full.",
      details: [...this.#last],
    });
  }
}

const WAITING = "Waiting for connection from host...";
const FATAL = /^(?:\[backtrace\]|Halting\.|Failed to load object|Assertion failed|failed to create pool)/i;
const GRACE_MS = 2000;
const KEPT_LINES = 12;
const LONGEST_LINE = 4096;

interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

function deferred<T>(): Deferred<T> {
  let resolve: (value: T) => void = () => {};
  let reject: (error: unknown) => void = () => {};
  const promise = new Promise<T>((onValue, onError) => {
    resolve = onValue;
    reject = onError;
  });
  return { promise, resolve, reject };
}
