import { formatSize } from "../support/bytes.ts";
import type { CapstanError } from "../support/errors.ts";
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
const REDRAW_MS = 80;
/** Shorter work shows no bar: a flicker tells nobody anything. */
const FIRST_DRAW_MS = 300;

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

  #progress(event: Extract<ReportEvent, { kind: "progress" }>): void {
    if (this.#quiet || !this.#options.terminal) return;
    const now = this.#options.now();
    if (this.#current?.text !== event.text) this.#current = { text: event.text, since: now };
    const finished = event.total !== undefined && event.done >= event.total;
    if (finished) {
      this.clear();
      return;
    }
    if (now - this.#current.since < FIRST_DRAW_MS || now - this.#lastDraw < REDRAW_MS) return;
    this.#lastDraw = now;
    this.#options.write(`\r${barLine({ ...event, text: printable(event.text) }, this.#options.columns)}\x1b[K`);
    this.#barShown = true;
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

function barLine(event: Extract<ReportEvent, { kind: "progress" }>, columns: number): string {
  const amount = (value: number) => (event.unit === "bytes" ? formatSize(value) : `${value} files`);
  const { total } = event;
  if (total === undefined || total === 0) return `${event.text}: ${amount(event.done)}`.slice(0, columns - 1);
  const filled = Math.min(BAR_WIDTH, Math.floor((event.done / total) * BAR_WIDTH));
  const bar = "#".repeat(filled) + "-".repeat(BAR_WIDTH - filled);
  return `${event.text} [${bar}] ${amount(event.done)} of ${amount(total)}`.slice(0, columns - 1);
}

/** Names come from archives and images: control characters in them must not reach the terminal. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replace(/[\x00-\x08\x0b-\x1f\x7f\x80-\x9f]/g, (character) => {
    const code = character.charCodeAt(0).toString(16).padStart(2, "0");
    return `\\x${code}`;
  });
}
