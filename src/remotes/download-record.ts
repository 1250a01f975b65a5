import { readFileSync } from "node:fs";
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

export function recordPath(part: string): string {
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
