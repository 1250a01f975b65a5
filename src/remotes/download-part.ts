import { createHash, type Hash } from "node:crypto";
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { setImmediate } from "node:timers/promises";
import { writeFileAtomically } from "../support/atomic.ts";
import { MiB } from "../support/bytes.ts";
import { checkAborted } from "../support/errors.ts";
import { isRecord } from "../support/records.ts";

/** What a part is a part of, so that the rest is asked for of the same file and of no other. */
export interface PartRecord {
  readonly url: string;
  /** The digest that was expected, for then it is known in the end whether everything fits together. */
  readonly sha256: string | undefined;
  /** A strong ETag, or Last-Modified: what If-Range takes (RFC 9110, 13.1.5). */
  readonly validator: string | undefined;
  /** Of the whole file. */
  readonly total: number | undefined;
  /** What was written before a crash of the system may be lost in the middle, and the length be right. */
  readonly boot: string;
}

export interface Transferred {
  readonly size: number;
  readonly sha256: string;
  readonly transferred: number;
  /** Whether it is of more than one answer, of this run or an earlier one. */
  readonly glued: boolean;
}

/** A file that grows at its end, with the digest of all that is in it. */
export interface Part {
  readonly length: number;
  append(bytes: Uint8Array): void;
  /** Begins anew: nothing of what was there stays. */
  restart(record: PartRecord): Promise<void>;
  /** Brings it to the disk; to be called once, at the end. */
  finish(): string;
  close(): void;
}

/** Opens what is there, or an empty file. Of what is there, the first so many bytes stay as `keep` says, and are hashed. */
export async function openPart(path: string, keep: (length: number) => number, signal: AbortSignal): Promise<Part> {
  mkdirSync(dirname(path), { recursive: true });
  const file = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o644);
  try {
    const good = keep(fstatSync(file).size);
    ftruncateSync(file, good);
    return growing(path, file, { hash: await hashPrefix(file, good, signal), length: good });
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

function growing(path: string, file: number, start: { readonly hash: Hash; readonly length: number }): Part {
  let { hash, length } = start;
  return {
    get length() {
      return length;
    },
    append(bytes) {
      for (let done = 0; done < bytes.length; )
        done += writeSync(file, bytes, done, bytes.length - done, length + done);
      hash.update(bytes);
      length += bytes.length;
    },
    async restart(record) {
      // In this order: a record of the new file never stands beside bytes of the old one.
      ftruncateSync(file, 0);
      hash = createHash("sha256");
      length = 0;
      await writeFileAtomically(recordPath(path), `${JSON.stringify(record)}\n`);
    },
    finish() {
      fsyncSync(file);
      return hash.digest("hex");
    },
    close: () => closeSync(file),
  };
}

async function hashPrefix(file: number, length: number, signal: AbortSignal): Promise<Hash> {
  const hash = createHash("sha256");
  const buffer = Buffer.allocUnsafeSlow(Math.min(MiB, Math.max(1, length)));
  for (let position = 0; position < length; ) {
    const read = readSync(file, buffer, 0, Math.min(buffer.length, length - position), position);
    if (read === 0) break;
    hash.update(buffer.subarray(0, read));
    position += read;
    await setImmediate();
    checkAborted(signal);
  }
  return hash;
}

/** The record of a part; undefined when there is none that can be read. */
export function readPartRecord(part: string): PartRecord | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(recordPath(part), "utf8"));
    if (!isRecord(value) || typeof value.url !== "string" || typeof value.boot !== "string") return undefined;
    const { url, boot, sha256, validator, total } = value;
    return {
      url,
      boot,
      sha256: typeof sha256 === "string" ? sha256 : undefined,
      validator: typeof validator === "string" ? validator : undefined,
      total: Number.isSafeInteger(total) ? Number(total) : undefined,
    };
  } catch {
    return undefined;
  }
}

/** Removes a part and its record. */
export function forgetPart(part: string): void {
  rmSync(part, { force: true });
  rmSync(recordPath(part), { force: true });
}

function recordPath(part: string): string {
  return `${part}.json`;
}

/** Another one after each start of the system; empty where there is none to read. */
export function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  } catch {
    return "";
  }
}
