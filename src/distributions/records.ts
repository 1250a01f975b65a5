import { type FileSpace, type FoundFile, readWhole, withOpenFile } from "../filesystems/file-space.ts";
import { CapstanError } from "../support/errors.ts";

/** A text file of the space; undefined where it is missing, cannot be read or is larger than `limit` bytes. */
export function readText(space: FileSpace, path: string, limit?: number): string | undefined {
  const bytes = readBytes(space, path, limit);
  return bytes?.toString("utf8");
}

/** The same as bytes. */
export function readBytes(space: FileSpace, path: string, limit?: number): Buffer | undefined {
  const file = space.find(path);
  if (file?.type !== "file") return undefined;
  return forgiving(() => readWhole(file, limit));
}

/** The parts of a text between separators, one after another: a text of nothing but separators is no array of millions. */
export function* partsOf(text: string, separator: string): Generator<string, void, undefined> {
  let at = 0;
  for (let end = text.indexOf(separator); end !== -1; end = text.indexOf(separator, at)) {
    yield text.slice(at, end);
    at = end + separator.length;
  }
  yield text.slice(at);
}

/** Whether a record's name or version is of a length that one can have. */
export function isShort(text: string): boolean {
  return text.length <= LONGEST_NAME;
}

const LONGEST_NAME = 256;

/**
 * Paths that are kept of a system: the largest have some hundred thousand. A small image may claim to hold any number of
 * them, since it may be compressed.
 */
export const MOST_PATHS = 2_000_000;

const PIECE = 4 << 20;

/** The bytes of a file piece by piece; ends early where it cannot be read on. */
export function* readPieces(file: FoundFile): Generator<Buffer, void, undefined> {
  for (let offset = 0; offset < file.size; offset += PIECE) {
    const piece = forgiving(() =>
      withOpenFile(file, (open) => {
        const bytes = Buffer.alloc(Math.max(0, Math.min(PIECE, open.size - offset)));
        open.read(bytes, offset);
        return bytes;
      }),
    );
    if (piece === undefined) return;
    yield piece;
  }
}

/** A record that cannot be read is as good as one that is not there: nothing depends on it but advice. */
export function forgiving<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof CapstanError || error instanceof RangeError) return undefined;
    throw error;
  }
}

/** Longer lines are no records. */
const LONGEST_LINE = 1 << 20;

/** Joins pieces anew, so that each ends where a line ends. */
export function* wholeLines(pieces: Iterable<Buffer>): Generator<Buffer, void, undefined> {
  let rest: Buffer = Buffer.alloc(0);
  for (const piece of pieces) {
    const joined = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
    const end = joined.lastIndexOf(0x0a) + 1;
    // A copy: a piece's memory may be used again for the next one.
    rest = joined.length - end > LONGEST_LINE ? Buffer.alloc(0) : Buffer.from(joined.subarray(end));
    if (end > 0) yield joined.subarray(0, end);
  }
  if (rest.length > 0) yield rest;
}

/** What follows on the lines that begin with `start`. */
export function* fieldsOf(lines: Buffer, start: string): Generator<string, void, undefined> {
  for (let at = lines.indexOf(start); at !== -1; at = lines.indexOf(start, at + start.length)) {
    if (at > 0 && lines[at - 1] !== 0x0a) continue;
    const end = lines.indexOf(0x0a, at + start.length);
    yield lines.toString("utf8", at + start.length, end === -1 ? lines.length : end);
  }
}
