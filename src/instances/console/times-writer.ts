import { closeSync, openSync, readFileSync, renameSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { temporaryBeside } from "../../support/atomic.ts";
import { timesPath } from "./files.ts";
import { formatMark, formatTimes, parseTimes, type SegmentTimes } from "./times.ts";

const FINEST_GRAIN_MS = 100;
/** Of one segment: then every other one goes. */
const MOST_MARKS = 8192;

/** Writes the times of a log beside it. It never fails: without times, the log is still the log. */
export class TimesWriter {
  readonly #folder: string;
  readonly #segments: number;
  #older: readonly SegmentTimes[] = [];
  #current: SegmentTimes | undefined;
  #marks: { offset: number; time: number }[] = [];
  #file: number | undefined;
  /** What was said before the next segment. */
  #nextBase = 0;

  /** Of at most so many segments. */
  constructor(folder: string, segments: number) {
    this.#folder = folder;
    this.#segments = segments;
  }

  /** The segment is written from its end (`size`) on, at first or after another one. */
  begin({ identity, size }: { readonly identity: string; readonly size: number }, time: number): void {
    const known =
      this.#current === undefined ? readTimes(this.#folder) : [...this.#older, this.#snapshot(this.#current)];
    // A new file may have the identity of one that was removed.
    const own = size === 0 ? undefined : known.findLast((segment) => segment.identity === identity);
    this.#older = known.filter((segment) => segment.identity !== identity).slice(1 - this.#segments);
    const base = own?.base ?? this.#nextBase;
    // Marks behind the end are of bytes that never reached the disk.
    this.#marks = (own?.marks ?? []).filter(({ offset }) => offset <= size);
    this.#current = { identity, base, grain: own?.grain ?? FINEST_GRAIN_MS, marks: this.#marks };
    this.#marks.push({ offset: size, time });
    this.#rewrite();
  }

  /** What is written from `offset` on is of this time. With `exact`, whatever was noted a moment ago. */
  mark(offset: number, time: number, exact = false): void {
    const { grain } = this.#current ?? { grain: 0 };
    const last = this.#marks.at(-1);
    if (last !== undefined && !exact && time >= last.time && time < last.time + grain) return;
    this.#marks.push({ offset, time });
    if (this.#marks.length >= MOST_MARKS) this.#thin();
    else this.#quietly(() => this.#file !== undefined && writeSync(this.#file, formatMark({ offset, time })));
  }

  /** The current segment will not grow any more. */
  end(size: number): void {
    this.#nextBase = (this.#current?.base ?? 0) + size;
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  #snapshot(segment: SegmentTimes): SegmentTimes {
    return { ...segment, marks: this.#marks };
  }

  #thin(): void {
    if (this.#current === undefined) return;
    this.#marks = this.#marks.filter((_, index) => index % 2 === 0);
    this.#current = { ...this.#current, grain: this.#current.grain * 2 };
    this.#rewrite();
  }

  /** At once: whoever reads it sees the old or the new one. */
  #rewrite(): void {
    const path = timesPath(this.#folder);
    const temporary = temporaryBeside(path);
    this.close();
    this.#quietly(() => {
      try {
        const current = this.#current === undefined ? [] : [this.#snapshot(this.#current)];
        writeFileSync(temporary, formatTimes([...this.#older, ...current]));
        renameSync(temporary, path);
        this.#file = openSync(path, "a");
      } finally {
        rmSync(temporary, { force: true });
      }
    });
  }

  #quietly(work: () => void): void {
    try {
      work();
    } catch {
      // a full disk, a folder that is gone: the log itself tells of it
    }
  }
}

/** The times as they are on the disk; nothing where there are none. */
export function readTimes(folder: string): SegmentTimes[] {
  try {
    return parseTimes(readFileSync(timesPath(folder), "utf8"));
  } catch {
    return [];
  }
}
