import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { writeFileAtomically } from "../support/atomic.ts";
import { MiB } from "../support/bytes.ts";
import { isRecord } from "../support/records.ts";
import type { HttpAnswer, HttpRequest } from "./http.ts";

export interface CacheEntry {
  readonly answer: HttpAnswer;
}

/**
 * An answer that was kept: a line of JSON, and the body behind it. Whatever is wrong with the file, there is none: another version,
 * another address or kind of document, a body that is not the one that was written.
 */
export function readEntry(path: string, request: HttpRequest): CacheEntry | undefined {
  try {
    if (statSync(path).size > MAX_ENTRY) return undefined;
    const bytes = readFileSync(path);
    const end = bytes.indexOf(0x0a);
    const head: unknown = JSON.parse(bytes.toString("utf8", 0, end));
    const body = bytes.subarray(end + 1);
    if (end < 0 || !isRecord(head) || head.format !== FORMAT || head.sha256 !== digest(body)) return undefined;
    if (head.asked !== request.url || head.accept !== acceptOf(request) || typeof head.url !== "string")
      return undefined;
    const headers = stringsOf(head.headers);
    return headers === undefined ? undefined : { answer: { status: 200, headers, body, url: head.url } };
  } catch {
    return undefined;
  }
}

/** Keeps an answer that the server can be asked about again. What prevents the writing costs a request next time, no more. */
export async function writeEntry(path: string, request: HttpRequest, answer: HttpAnswer): Promise<void> {
  const { etag, "last-modified": modified, "cache-control": control = "" } = answer.headers;
  if ((etag === undefined && modified === undefined) || /no-store/i.test(control)) return;
  const { "set-cookie": _, ...headers } = answer.headers;
  const { url, body } = answer;
  const sha256 = digest(body);
  const head = { format: FORMAT, asked: request.url, accept: acceptOf(request), url, headers, sha256 };
  try {
    // For this user alone: it may be of a private repository.
    await writeFileAtomically(path, Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`), body]), 0o600);
  } catch {
    // see above
  }
}

const FORMAT = 1;
const MAX_ENTRY = 128 * MiB;

function acceptOf(request: HttpRequest): string {
  const found = Object.entries(request.headers ?? {}).find(([name]) => name.toLowerCase() === "accept");
  return found?.[1] ?? "";
}

function stringsOf(value: unknown): Readonly<Record<string, string>> | undefined {
  if (!isRecord(value)) return undefined;
  const entries = Object.entries(value);
  return entries.every(([, one]) => typeof one === "string")
    ? (Object.fromEntries(entries) as Record<string, string>)
    : undefined;
}

function digest(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
