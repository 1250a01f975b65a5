import { ConsoleLines } from "./lines.ts";

/** The last line of a kernel, OSv's and the demo's, before the first program starts: loader.cc echoes the command. */
const ECHO = "Cmdline: ";
/** What the kernel says about a command that names a file of commands (loader.cc). */
const EXPANSION = "runscript expand fn=";

export interface FirstLineOptions {
  /** What the guest boots with: an echo of several lines is no line of the program. */
  readonly commandLine: string;
  readonly onFirstLine: () => void;
}

/** Tells when the program itself has said its first line. */
export class FirstLine {
  readonly #lines: ConsoleLines;
  readonly #echo: ReadonlySet<string>;
  readonly #onFirstLine: () => void;
  #isProgram = false;
  #isOver = false;

  constructor({ commandLine, onFirstLine }: FirstLineOptions) {
    this.#echo = new Set(commandLine.split("\n").map((line) => line.trim()));
    this.#onFirstLine = onFirstLine;
    this.#lines = new ConsoleLines((line) => this.#take(line));
  }

  push(chunk: Buffer): void {
    if (!this.#isOver) this.#lines.push(chunk);
  }

  #take(line: string): void {
    if (this.#isOver) return;
    if (line.startsWith(ECHO)) {
      this.#isProgram = true;
      return;
    }
    if (!this.#isProgram || line.startsWith(EXPANSION) || this.#echo.has(line)) return;
    this.#isOver = true;
    this.#onFirstLine();
  }
}
