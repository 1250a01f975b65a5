import { createHash, type Hash } from "node:crypto";
import {
  closeSync,
  constants,
  fdatasync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  rmSync,
  write,
} from "node:fs";
import { dirname } from "node:path";
import { setImmediate } from "node:timers/promises";
import { promisify } from "node:util";
import { writeFileAtomically } from "../support/atomic.ts";
import { MiB } from "../support/bytes.ts";
import { checkAborted } from "../support/errors.ts";
import { type PartRecord, recordPath } from "./download-record.ts";

export interface Transferred {
  readonly size: number;
  readonly sha256: string;
  readonly transferred: number;
  /** Whether it is of more than one answer, of this run or an earlier one. */
  readonly glued: boolean;
}

/** Sees all bytes of a file in their order, so that nobody has to read it again for them. */
export interface Observer {
  /** Nothing of what came counts any more. */
  restart(): void;
  /** Resolves when the bytes may be overwritten. Never rejects: what is wrong with the content is not for the download to say. */
  take(bytes: Uint8Array): Promise<void>;
}

/** A file that grows at its end, with the digest of all that is in it. */
export interface Part {
  readonly length: number;
  /** Keeps a copy, so that the bytes may be overwritten; resolves when there is room for more. */
  append(bytes: Uint8Array): Promise<void>;
  /** Begins anew: nothing of what was there stays. */
  restart(record: PartRecord): Promise<void>;
  /** Brings it to the disk; to be called once, at the end. */
  finish(): Promise<string>;
  /** Writes what has come, for a later attempt to go on from. */
  close(): Promise<void>;
}

export interface OpenPart {
  /** Of what is there already, so many of its bytes stay, and are hashed. */
  readonly keep: (length: number) => number;
  readonly observer: Observer | undefined;
  readonly signal: AbortSignal;
}

/** Opens what is there, or an empty file. */
export async function openPart(path: string, { keep, observer, signal }: OpenPart): Promise<Part> {
  mkdirSync(dirname(path), { recursive: true });
  const file = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o644);
  try {
    const good = keep(fstatSync(file).size);
    ftruncateSync(file, good);
    observer?.restart();
    const hash = createHash("sha256");
    await readPrefix(file, good, async (bytes) => {
      hash.update(bytes);
      await observer?.take(bytes);
      checkAborted(signal);
    });
    return new GrowingPart({ path, file, observer, hash, length: good });
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

/** Removes a part and its record. */
export function forgetPart(part: string): void {
  rmSync(part, { force: true });
  rmSync(recordPath(part), { force: true });
}

async function readPrefix(file: number, length: number, take: (bytes: Uint8Array) => Promise<void>): Promise<void> {
  const buffer = Buffer.allocUnsafeSlow(Math.min(MiB, Math.max(1, length)));
  for (let position = 0; position < length; ) {
    const read = readSync(file, buffer, 0, Math.min(buffer.length, length - position), position);
    if (read === 0) break;
    position += read;
    await take(buffer.subarray(0, read));
    await setImmediate();
  }
}

/** Chunks of a connection are small: they are collected, so that a thousand do not cost a call of the system each. */
const BUFFER_SIZE = MiB;
/** After so much more, the disk is set to work, so that the end need not wait for all of it. */
const SYNC_EVERY = 32 * MiB;
const FLUSH_AFTER_MS = 200;

interface Start {
  readonly path: string;
  readonly file: number;
  readonly observer: Observer | undefined;
  readonly hash: Hash;
  readonly length: number;
}

/** One buffer fills while the other one is written. */
class GrowingPart implements Part {
  readonly #path: string;
  readonly #file: number;
  readonly #observer: Observer | undefined;
  #hash: Hash;
  #length: number;
  #buffer = Buffer.allocUnsafeSlow(BUFFER_SIZE);
  #other = Buffer.allocUnsafeSlow(BUFFER_SIZE);
  #filled = 0;
  /** Of the other buffer. */
  #writing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #syncing: Promise<void> | undefined;
  #synced: number;

  constructor({ path, file, observer, hash, length }: Start) {
    this.#path = path;
    this.#file = file;
    this.#observer = observer;
    this.#hash = hash;
    this.#length = length;
    this.#synced = length;
  }

  get length(): number {
    return this.#length;
  }

  async append(bytes: Uint8Array): Promise<void> {
    for (let taken = 0; taken < bytes.length; ) {
      const some = bytes.subarray(taken, taken + BUFFER_SIZE - this.#filled);
      this.#buffer.set(some, this.#filled);
      this.#filled += some.length;
      this.#length += some.length;
      taken += some.length;
      if (this.#filled === BUFFER_SIZE) await this.#flush();
    }
    this.#flushSoon();
  }

  async restart(record: PartRecord): Promise<void> {
    this.#filled = 0;
    await this.#settled();
    // In this order: a record of the new file never stands beside bytes of the old one.
    ftruncateSync(this.#file, 0);
    this.#observer?.restart();
    this.#hash = createHash("sha256");
    this.#length = 0;
    this.#synced = 0;
    await writeFileAtomically(recordPath(this.#path), `${JSON.stringify(record)}\n`);
  }

  async finish(): Promise<string> {
    await this.#flush();
    await this.#settled();
    const digest = this.#hash.digest("hex");
    await this.#syncing;
    await syncData(this.#file);
    return digest;
  }

  async close(): Promise<void> {
    try {
      await this.#flush();
      await this.#settled();
    } catch {
      // Whoever appended was told, or will come to it the next time.
    } finally {
      clearTimeout(this.#timer);
      await this.#syncing;
      closeSync(this.#file);
    }
  }

  async #flush(): Promise<void> {
    await this.#settled();
    const bytes = this.#buffer.subarray(0, this.#filled);
    if (bytes.length === 0) return;
    const position = this.#length - bytes.length;
    [this.#buffer, this.#other] = [this.#other, this.#buffer];
    this.#filled = 0;
    const observed = this.#observer?.take(bytes);
    const writing = Promise.all([writeAll(this.#file, bytes, position), observed]).then(() => {
      this.#writing = undefined;
    });
    // It is looked at before the next write; until then it is nobody's. One that failed stays.
    writing.catch(() => {});
    this.#writing = writing;
    this.#hash.update(bytes);
    this.#syncNow(position);
  }

  /** Until the other buffer is free. */
  async #settled(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  /** A slow connection takes long to fill a buffer, and what has come should outlive this process. */
  #flushSoon(): void {
    if (this.#timer !== undefined || this.#filled === 0) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#flush().catch(() => {});
    }, FLUSH_AFTER_MS);
  }

  #syncNow(written: number): void {
    if (this.#syncing !== undefined || written - this.#synced < SYNC_EVERY) return;
    this.#synced = written;
    this.#syncing = syncData(this.#file)
      // That of the end tells what is wrong.
      .catch(() => {})
      .then(() => {
        this.#syncing = undefined;
      });
  }
}

const syncData = promisify(fdatasync);
const writeSome = promisify(write);

async function writeAll(file: number, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await writeSome(file, bytes, done, bytes.length - done, position + done)).bytesWritten;
  }
}
