import { ConsoleLines } from "./console/lines.ts";
import { type Signature, signatures } from "./signatures.ts";

/** What the console has told when the guest has ended. */
export interface ConsoleFindings {
  readonly failed: boolean;
  /** The exit status of the program that failed, where the kernel named one. */
  readonly guestStatus?: number;
  /** What to do about it: the most certain first. Also filled when nothing failed, with what may explain a misbehaviour. */
  readonly advice: readonly string[];
  /** The lines that were recognised, each once, as they came. */
  readonly signals: readonly ConsoleSignal[];
}

/** A line that a signature knows, and what it names. */
export interface ConsoleSignal {
  /** Of the signature. */
  readonly id: string;
  readonly line: string;
  /** What the signature's pattern captures, in its order; "" for what is not there. */
  readonly values: readonly string[];
  /** The sentence of `advice` that it led to; undefined for none. */
  readonly advice?: string | undefined;
}

export interface ConsoleWatchOptions {
  /** The kernel echoes it, and an echo means nothing. */
  readonly commandLine?: string;
}

const MOST_ADVICE = 5;
const MOST_SIGNALS = 20;

/**
 * Reads a guest's console as it comes and recognises what the kernel and programs say when they fail: QEMU's own exit
 * code is 0 whatever happens in the guest. Chunks may end anywhere; carriage returns and colours are looked through.
 */
export class ConsoleWatch {
  readonly #echo: ReadonlySet<string>;
  readonly #found = new Map<Signature, string | undefined>();
  readonly #signals = new Map<string, ConsoleSignal>();
  readonly #lines = new ConsoleLines((line) => this.#take(line));
  #guestStatus: number | undefined;
  #halting = false;

  constructor({ commandLine = "" }: ConsoleWatchOptions = {}) {
    // A command line of several lines is echoed as several lines.
    this.#echo = new Set(commandLine.split("\n").map((line) => line.trim()));
  }

  push(chunk: Buffer): void {
    this.#lines.push(chunk);
  }

  /** Whether the kernel has given up and stands still: no more will come once it is silent. */
  get fatalHalt(): boolean {
    return this.#halting;
  }

  /** To be asked once, at the end: a last line may have no end. */
  finish(): ConsoleFindings {
    this.#lines.finish();
    const verdicts = [...this.#found.keys()].map(({ verdict }) => verdict);
    return {
      failed: verdicts.some((verdict) => verdict !== "warning") || (this.#guestStatus ?? 0) !== 0,
      ...(this.#guestStatus === undefined ? {} : { guestStatus: this.#guestStatus }),
      advice: this.#advice(),
      signals: [...this.#signals.values()],
    };
  }

  #take(line: string): void {
    if (!this.#isEcho(line)) this.#judge(line);
  }

  #isEcho(line: string): boolean {
    return line.startsWith("Cmdline: ") || line.startsWith("runscript expand fn=") || this.#echo.has(line);
  }

  #judge(line: string): void {
    const status = STATUS.exec(line)?.[1];
    if (status !== undefined) this.#guestStatus = this.#guestStatus || Number(status);
    for (const signature of signatures) {
      const found = signature.pattern.exec(line);
      if (found === null) continue;
      this.#note(signature, found);
      break;
    }
    if (HALT.test(line)) this.#halting ||= [...this.#found.keys()].some(({ verdict }) => verdict === "fatal");
  }

  #note(signature: Signature, found: RegExpExecArray): void {
    const isQuiet = [...this.#found.keys()].some(({ id }) => signature.quietAfter?.includes(id));
    const advice = isQuiet ? undefined : signature.advise?.(found);
    this.#keepSignal(signature.id, found, this.#found.has(signature) ? undefined : advice);
    if (!this.#found.has(signature)) this.#found.set(signature, advice);
  }

  #keepSignal(id: string, found: RegExpExecArray, advice: string | undefined): void {
    if (this.#signals.size >= MOST_SIGNALS) return;
    const values = found.slice(1).map((value: string | undefined) => value ?? "");
    const key = JSON.stringify([id, values]);
    if (this.#signals.has(key)) return;
    this.#signals.set(key, { id, line: found.input, values, ...(advice === undefined ? {} : { advice }) });
  }

  #advice(): string[] {
    const certainFirst = [...this.#found].sort(([a], [b]) => WEIGHT[a.verdict] - WEIGHT[b.verdict]);
    const texts = certainFirst.flatMap(([, text]) => (text === undefined ? [] : [text]));
    return [...new Set(texts)].slice(0, MOST_ADVICE);
  }
}

/** runtime.cc prints the first for exit(), core/app.cc the second for a return from main(). */
const STATUS = /^program (?:exited with status|.+ returned) (-?\d{1,10})$/;

/** What abort() prints last in runtime.cc: with a backtrace, or too early for one. */
const HALT = /^(?:\[backtrace\]|Halting\.)$/;

const WEIGHT = { failed: 0, fatal: 0, warning: 1 } as const;
