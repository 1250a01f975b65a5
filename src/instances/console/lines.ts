/** Longer lines are judged by their beginning. */
const LONGEST_LINE = 4096;

/** Cuts what a guest says into lines: chunks may end anywhere, and colours and carriage returns are looked through. */
export class ConsoleLines {
  readonly #onLine: (line: string) => void;
  #parts: Buffer[] = [];
  #length = 0;

  /** `onLine` gets the lines that are not empty, without the blanks around them. */
  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  push(chunk: Buffer): void {
    let start = 0;
    for (let end = nextBreak(chunk, 0); end !== -1; end = nextBreak(chunk, start)) {
      this.#keep(chunk.subarray(start, end));
      this.finish();
      start = end + 1;
    }
    this.#keep(chunk.subarray(start));
  }

  /** A last line may have no end. */
  finish(): void {
    if (this.#length === 0) return;
    const text = this.unfinished;
    this.#parts = [];
    this.#length = 0;
    if (text !== "") this.#onLine(text);
  }

  /** The line that has no end yet: perhaps a prompt. */
  get unfinished(): string {
    return withoutColours(Buffer.concat(this.#parts).toString("utf8")).trim();
  }

  #keep(part: Buffer): void {
    const room = LONGEST_LINE - this.#length;
    if (part.length === 0 || room <= 0) return;
    // A copy: the chunk's memory may be used again for the next one.
    this.#parts.push(Buffer.from(part.subarray(0, room)));
    this.#length += Math.min(room, part.length);
  }
}

/** Control sequences (CSI), titles (OSC) and other escapes of ECMA-48. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const ESCAPES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])/g;

function withoutColours(text: string): string {
  return text.includes("\x1b") ? text.replace(ESCAPES, "") : text;
}

function nextBreak(chunk: Buffer, from: number): number {
  const newline = chunk.indexOf(0x0a, from);
  const carriage = (newline === -1 ? chunk : chunk.subarray(0, newline)).indexOf(0x0d, from);
  return carriage === -1 ? newline : carriage;
}
