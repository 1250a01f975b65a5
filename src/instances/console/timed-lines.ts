import { statSync } from "node:fs";
import { timesPath } from "./files.ts";
import { type LogPiece, type ReadLogOptions, readPieces } from "./log-reader.ts";
import { type SegmentTimes, timeAt } from "./times.ts";
import { readTimes } from "./times-writer.ts";

export interface TimedLine {
  /** When its first byte was said, roughly; milliseconds since 1970. Undefined where that is not known. */
  readonly time: number | undefined;
  /** With its end, if it has one. */
  readonly bytes: Buffer;
}

const NEWLINE = 0x0a;
/** A longer one comes in parts. */
const LONGEST_LINE = 1 << 20;

/** The log as readLog reads it, by lines and with their times. */
export async function* readTimedLines(options: ReadLogOptions): AsyncGenerator<TimedLine, void, undefined> {
  const times = new Times(options.folder);
  let parts: Buffer[] = [];
  let length = 0;
  let time: number | undefined;
  const finish = (): TimedLine => {
    const line = { time, bytes: Buffer.concat(parts) };
    parts = [];
    length = 0;
    return line;
  };
  for await (const piece of readPieces(options)) {
    const { bytes } = piece;
    for (let start = 0; start < bytes.length; ) {
      const end = bytes.indexOf(NEWLINE, start) + 1;
      const part = bytes.subarray(start, end === 0 ? undefined : end);
      if (length === 0) time = times.at(piece, start);
      parts.push(part);
      length += part.length;
      start += part.length;
      if (end !== 0 || length >= LONGEST_LINE) yield finish();
    }
  }
  if (length > 0) yield finish();
}

/** The times as they are now: the writer adds to them while we read. */
class Times {
  readonly #folder: string;
  #known: readonly SegmentTimes[] = [];
  #state = "";
  #current: SegmentTimes | undefined;
  #piece: LogPiece | undefined;

  constructor(folder: string) {
    this.#folder = folder;
  }

  at(piece: LogPiece, start: number): number | undefined {
    if (piece !== this.#piece) this.#load(piece);
    return this.#current === undefined ? undefined : timeAt(this.#current, piece.offset + start);
  }

  #load(piece: LogPiece): void {
    this.#piece = piece;
    const stats = statSync(timesPath(this.#folder), { throwIfNoEntry: false });
    const state = `${stats?.ino} ${stats?.size} ${stats?.mtimeMs}`;
    if (state !== this.#state) this.#known = readTimes(this.#folder);
    this.#state = state;
    this.#current = this.#known.findLast(({ identity }) => identity === piece.identity);
  }
}
