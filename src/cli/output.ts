import { formatSize } from "../support/bytes.ts";
import type { CapstanError } from "../support/errors.ts";
import { showOddBytes } from "../support/name-bytes.ts";
import type { ReportEvent, Reporter } from "../support/reporter.ts";

export interface OutputOptions {
  readonly colour: boolean;
  /** Whether lines can be drawn over. */
  readonly terminal: boolean;
  readonly columns: number;
  readonly now: () => number;
  readonly write: (text: string) => void;
}

const BAR_WIDTH = 24;
/** Shorter work shows nothing of how far it is: a flicker tells nobody anything. */
const TERMINAL_PACE = { firstMs: 300, everyMs: 80 };
/** In a log, a line now and then. */
const PLAIN_PACE = { firstMs: 2000, everyMs: 10_000 };

/** Draws report events on stderr: bars that move on a terminal, plain lines elsewhere. */
export class OutputReporter implements Reporter {
  readonly #options: OutputOptions;
  #quiet = false;
  #verbose = false;
  #barShown = false;
  #lastDraw = 0;
  #current: { text: string; since: number } | undefined;

  constructor(options: OutputOptions) {
    this.#options = options;
  }

  get verbose(): boolean {
    return this.#verbose && !this.#quiet;
  }

  /** Known only once the command line is read. */
  configure(level: { readonly quiet: boolean; readonly verbose: boolean }): void {
    this.#quiet = level.quiet;
    this.#verbose = level.verbose;
  }

  report(event: ReportEvent): void {
    if (event.kind === "progress") {
      this.#progress(event);
      return;
    }
    if (event.kind === "warning") {
      const text = event.hint === undefined ? event.text : `${sentence(event.text)} ${event.hint}`;
      this.#line(`${this.#paint("33", "Warning:")} ${printable(text)}`);
      return;
    }
    if (event.kind === "failure") {
      this.#line(`${this.#paint("31", "Error:")} ${printable(event.text)}`);
      return;
    }
    if (this.#quiet || (event.kind === "detail" && !this.verbose)) return;
    const text = printable(event.text);
    this.#line(event.kind === "detail" ? this.#paint("2", `  ${text}`) : text);
  }

  error(error: CapstanError): void {
    this.#line(`${this.#paint("31", "Error:")} ${printable(error.message)}`);
    for (const detail of error.details.filter((line) => line !== error.message))
      this.#line(`       ${printable(detail)}`);
    if (error.hint !== undefined) this.#line(printable(error.hint));
    if (this.verbose && error.cause instanceof Error) this.#line(this.#paint("2", String(error.cause.stack)));
  }

  bug(error: unknown): void {
    this.#line(`${this.#paint("31", "Error:")} this is a bug of Capstan. Please report it with what follows.`);
    this.#line(error instanceof Error ? (error.stack ?? String(error)) : String(error));
  }

  /** Takes a half-drawn bar away; called before anything else writes to the terminal. */
  clear(): void {
    if (!this.#barShown) return;
    this.#options.write("\r\x1b[K");
    this.#barShown = false;
  }

  #progress(event: Progress): void {
    if (this.#quiet) return;
    const { terminal, columns, now } = this.#options;
    const pace = terminal ? TERMINAL_PACE : PLAIN_PACE;
    const time = now();
    if (this.#current?.text !== event.text) this.#current = { text: event.text, since: time };
    if (event.total !== undefined && event.done >= event.total) {
      this.clear();
      return;
    }
    if (time - this.#current.since < pace.firstMs || time - this.#lastDraw < pace.everyMs) return;
    this.#lastDraw = time;
    const shown = { ...event, text: printable(event.text) };
    if (terminal) {
      this.#options.write(`\r${barLine(shown, columns)}\x1b[K`);
      this.#barShown = true;
    } else {
      this.#line(amountLine(shown));
    }
  }

  #line(text: string): void {
    this.clear();
    this.#options.write(`${text}\n`);
  }

  #paint(code: string, text: string): string {
    return this.#options.colour ? `\x1b[${code}m${text}\x1b[0m` : text;
  }
}

/** Ended, so that another one can follow. */
function sentence(text: string): string {
  return /[.!?:]$/.test(text) ? text : `${text}.`;
}

type Progress = Extract<ReportEvent, { kind: "progress" }>;

function barLine(event: Progress, columns: number): string {
  const { total } = event;
  if (total === undefined || total === 0) return amountLine(event).slice(0, columns - 1);
  const filled = Math.min(BAR_WIDTH, Math.floor((event.done / total) * BAR_WIDTH));
  const bar = "#".repeat(filled) + "-".repeat(BAR_WIDTH - filled);
  return `${event.text} [${bar}] ${amounts(event)}`.slice(0, columns - 1);
}

function amountLine(event: Progress): string {
  return `${event.text}: ${amounts(event)}`;
}

function amounts({ done, total, unit }: Progress): string {
  const amount = (value: number) => (unit === "bytes" ? formatSize(value) : `${value} files`);
  return total === undefined || total === 0 ? amount(done) : `${amount(done)} of ${amount(total)}`;
}

/** The same for what stands in a line of its own: a name with the end of a line in it would show as two files. */
export function printableLine(text: string): string {
  return printable(text).replace(/[\n\t\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, (character) => {
    const code = character.charCodeAt(0);
    return code < 0x20 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16)}`;
  });
}

/** Names come from archives and images: control characters in them must not reach the terminal, nor bytes that are no UTF-8. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return showOddBytes(text).replace(/[\x00-\x08\x0b-\x1f\x7f\x80-\x9f]/g, (character) => {
    const code = character.charCodeAt(0).toString(16).padStart(2, "0");
    return `\\x${code}`;
  });
}
