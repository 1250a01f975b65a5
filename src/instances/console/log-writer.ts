import { closeSync, fstatSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { MiB } from "../../support/bytes.ts";
import { isErrno, withNoun } from "../../support/errors.ts";
import { identityOf, MOST_SEGMENTS, segmentPath, segmentSlots } from "./files.ts";
import { TimesWriter } from "./times-writer.ts";

export interface ConsoleLogOptions {
  /** The instance's. What an earlier start has written there is gone on with. */
  readonly folder: string;
  readonly now: () => Date;
  /** Of one file; 8 MiB. */
  readonly maxBytes?: number | undefined;
  /** How many there may be, the current one counted: at least two, as a reader needs a moment; 4. */
  readonly files?: number | undefined;
  /** Called when writing fails; again only after it has worked again. */
  readonly onTrouble?: ((error: Error) => void) | undefined;
}

/** For one file, where all of them may take `bytes` together. */
export function logLimits(bytes: number): { readonly maxBytes: number; readonly files: number } {
  return { maxBytes: Math.max(SMALLEST_FILE, Math.floor(bytes / FILES)), files: FILES };
}

const FILES = 4;
const SMALLEST_FILE = 4096;
/** How long what was said may stay in memory. */
const DELAY_MS = 30;
const MOST_PENDING = 64 * 1024;

/** Keeps what a guest says on its console: files.ts tells where, times.ts how its times are kept. */
export class ConsoleLog {
  readonly #folder: string;
  readonly #now: () => Date;
  readonly #maxBytes: number;
  readonly #files: number;
  readonly #onTrouble: (error: Error) => void;
  readonly #times: TimesWriter;
  #log: number | undefined;
  #size = 0;
  readonly #pending = Buffer.allocUnsafeSlow(MOST_PENDING);
  #pendingLength = 0;
  #pendingSince = 0;
  #timer: NodeJS.Timeout | undefined;
  /** How many bytes could not be written since some last were. */
  #missing = 0;
  #isTroubled = false;
  #isOver = false;

  /** A log that cannot be opened is told as one that cannot be written: the guest is worth more than it. */
  constructor({ folder, now, maxBytes = 8 * MiB, files = FILES, onTrouble = () => {} }: ConsoleLogOptions) {
    this.#folder = folder;
    this.#now = now;
    this.#maxBytes = maxBytes;
    this.#files = Math.min(Math.max(files, 2), MOST_SEGMENTS);
    this.#onTrouble = onTrouble;
    this.#times = new TimesWriter(folder, this.#files);
    try {
      this.#open();
    } catch (error) {
      this.#fail(error, 0);
    }
  }

  /** Never fails and never waits long: what the disk does not take is missing, and the log says how much. */
  append(chunk: Buffer): void {
    if (this.#isOver || chunk.length === 0) return;
    for (let done = 0; done < chunk.length; ) {
      if (this.#pendingLength === 0) this.#pendingSince = this.#now().getTime();
      // A copy: a guest may say a byte at a time, and each chunk has memory of its own.
      const taken = chunk.copy(this.#pending, this.#pendingLength, done);
      this.#pendingLength += taken;
      done += taken;
      if (this.#pendingLength === MOST_PENDING) this.#flush();
    }
    this.#timer ??= setTimeout(() => this.#flush(), DELAY_MS);
  }

  /** Writes what is left. */
  close(): void {
    if (this.#isOver) return;
    this.#flush();
    // What another start says is of another time, however soon it comes.
    this.#times.mark(this.#size, this.#now().getTime(), true);
    this.#end();
  }

  #flush(): void {
    if (this.#isOver) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const bytes = this.#pending.subarray(0, this.#pendingLength);
    this.#pendingLength = 0;
    let done = 0;
    try {
      if (bytes.length > 0) this.#tellMissing();
      while (done < bytes.length) done += this.#write(bytes.subarray(done));
      this.#isTroubled = false;
    } catch (error) {
      this.#fail(error, bytes.length - done);
    }
  }

  /** Writes what the current file has room for, or makes room for more; returns how much it has written. */
  #write(bytes: Buffer): number {
    const log = this.#log ?? this.#open();
    const room = this.#maxBytes - this.#size;
    const length = bytes.length <= room ? bytes.length : cut(bytes, room, this.#size === 0);
    if (length === 0) {
      this.#rotate(log);
      return 0;
    }
    this.#times.mark(this.#size, this.#pendingSince);
    const written = writeSync(log, bytes, 0, length);
    this.#size += written;
    return written;
  }

  #open(): number {
    const log = openSync(segmentPath(this.#folder, 0), "a");
    this.#log = log;
    const stats = fstatSync(log, { bigint: true });
    this.#size = Number(stats.size);
    this.#times.begin({ identity: identityOf(stats), size: this.#size }, this.#now().getTime());
    return log;
  }

  #rotate(log: number): void {
    this.#log = undefined;
    closeSync(log);
    this.#times.end(this.#size);
    // From the oldest on: a reader that looks for one from the newest on does not miss it.
    for (const slot of segmentSlots(this.#folder).reverse()) {
      const path = segmentPath(this.#folder, slot);
      if (slot >= this.#files - 1) rmSync(path, { force: true });
      else renameSync(path, segmentPath(this.#folder, slot + 1));
    }
  }

  #tellMissing(): void {
    if (this.#missing === 0) return;
    const text = `\n[capstan: ${this.#missing} bytes of the console could not be written here]\n`;
    this.#size += writeSync(this.#log ?? this.#open(), text);
    this.#missing = 0;
  }

  #fail(error: unknown, missing: number): void {
    const told = withNoun(error, `Writing ${segmentPath(this.#folder, 0)}`);
    if (!this.#isTroubled) this.#onTrouble(told instanceof Error ? told : new Error(String(told)));
    this.#isTroubled = true;
    this.#missing += missing;
    // Room may be there again later. Without its folder, or the right to write there, the log is over.
    if (!isErrno(error, "ENOSPC", "EDQUOT", "EIO", "EMFILE", "ENFILE")) this.#end();
  }

  #end(): void {
    this.#isOver = true;
    this.#times.close();
    if (this.#log !== undefined) closeSync(this.#log);
    this.#log = undefined;
  }
}

/** After the last line that has room, so that lines stay whole; a line that fills a whole file is cut. */
function cut(bytes: Buffer, room: number, isEmpty: boolean): number {
  const line = room <= 0 ? 0 : bytes.lastIndexOf(0x0a, room - 1) + 1;
  return line === 0 && isEmpty ? room : line;
}
