import { createReadStream } from "node:fs";
import type { Dispatcher } from "undici";
import { CapstanError, checkAborted, ExitCode } from "../support/errors.ts";
import { dispatcherFor } from "./http-agent.ts";
import { networkError } from "./http-errors.ts";
import { type Body, send } from "./http-send.ts";
import { type HttpContext, tuningOf } from "./http-tuning.ts";
import { parseHttpUrl, showUrl, takeCredentials } from "./http-url.ts";

export type Method = "GET" | "HEAD" | "PUT" | "POST" | "DELETE";

/** Of a file, each attempt reads it anew and sends exactly `size` bytes, from `start` on. */
export type RequestBody =
  | Uint8Array
  | { readonly path: string; readonly start?: number | undefined; readonly size: number };

export interface Exchange {
  readonly url: string;
  readonly method: Method;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: RequestBody | undefined;
  readonly what: string;
  readonly signal: AbortSignal;
}

/** An answer whose body is still to come: read it to its end, or destroy it. */
export interface OpenAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Body;
  /** After redirects. */
  readonly url: string;
}

/**
 * One attempt at a request: follows redirects, at most ten and none twice, never from https to http, and without the caller's own
 * headers once they lead to another host. Whatever the status, it is an answer; errors are those of the network and of redirects.
 */
export async function openAnswer(exchange: Exchange, context: HttpContext): Promise<OpenAnswer> {
  let url = parseHttpUrl(exchange.url, exchange.what);
  let headers: Readonly<Record<string, string>> = { ...takeCredentials(url), ...lowerCase(exchange.headers) };
  let method = exchange.method;
  const seen = new Set<string>();
  for (;;) {
    const answer = await sendOnce({ ...exchange, method, headers, url: url.href }, context);
    const { location } = answer.headers;
    if (!REDIRECTS.includes(answer.status) || location === undefined) return answer;
    answer.body.destroy();
    seen.add(url.href);
    const next = redirectTarget(url, location, exchange.what);
    if (seen.has(next.href)) throw redirectError(exchange, `${showUrl(next)} leads back to itself`);
    if (seen.size > MAX_REDIRECTS) throw redirectError(exchange, `more than ${MAX_REDIRECTS} in a row`);
    if (next.origin !== url.origin) headers = harmless(headers);
    // RFC 9110, 15.4.4: whatever was asked, what is there is to be fetched.
    if (answer.status === 303 && method !== "HEAD") method = "GET";
    url = next;
  }
}

const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];
const MAX_REDIRECTS = 10;

/** Tell nothing of who asks: all others stay with the host that they were meant for. */
const HARMLESS: readonly string[] = [
  "accept",
  "accept-encoding",
  "range",
  "if-range",
  "if-none-match",
  "if-modified-since",
  "content-type",
  "content-length",
];

async function sendOnce(exchange: Exchange, context: HttpContext): Promise<OpenAnswer> {
  checkAborted(context.signal);
  const url = new URL(exchange.url);
  const { headersTimeout, bodyTimeout } = tuningOf(context);
  const body = exchange.method === "PUT" || exchange.method === "POST" ? exchange.body : undefined;
  const dispatcher = await dispatcherFor(url, context.env);
  const options = {
    origin: url.origin,
    path: `${url.pathname}${url.search}`,
    method: exchange.method,
    headers: { "user-agent": "capstan", ...exchange.headers, ...lengthOf(body) },
    body: contentOf(body),
    headersTimeout,
    bodyTimeout,
  };
  try {
    const answer = await send(dispatcher, options, exchange.signal);
    return { status: answer.status, headers: flat(answer.headers), body: answer.body, url: url.href };
  } catch (error) {
    throw networkError(error, { what: exchange.what, url: url.href, signal: context.signal });
  }
}

function lengthOf(body: Exchange["body"]): Record<string, string> {
  if (body === undefined) return {};
  return { "content-length": String("path" in body ? body.size : body.length) };
}

function contentOf(body: Exchange["body"]): NonNullable<Dispatcher.DispatchOptions["body"]> | null {
  if (body === undefined) return null;
  if (!("path" in body)) return body;
  if (body.size === 0) return Buffer.alloc(0);
  // While it is sent, undici takes its errors; once the answer is there, nobody would.
  const { path, start = 0, size } = body;
  return createReadStream(path, { start, end: start + size - 1 }).on("error", () => {});
}

function redirectTarget(from: URL, location: string, what: string): URL {
  const to = URL.canParse(location, from.href) ? new URL(location, from) : undefined;
  const exchange = { what, url: from.href };
  if (to === undefined) throw redirectError(exchange, "its target is not an address");
  if (to.protocol !== "http:" && to.protocol !== "https:") {
    throw redirectError(exchange, `${showUrl(to)} is not an address of http or https`);
  }
  if (from.protocol === "https:" && to.protocol === "http:") {
    throw redirectError(exchange, `${showUrl(to)} is not protected, and ${from.host} is`);
  }
  to.hash = "";
  to.username = "";
  to.password = "";
  return to;
}

function redirectError(exchange: { readonly what: string; readonly url: string }, problem: string): CapstanError {
  return new CapstanError(
    `Fetching ${exchange.what} from ${showUrl(exchange.url)}: the redirect is refused: ${problem}`,
    {
      code: "remote-error",
      hint: "Correct the address of the remote, or tell whoever runs it.",
      exitCode: ExitCode.unavailable,
    },
  );
}

function harmless(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => HARMLESS.includes(name)));
}

function lowerCase(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

function flat(headers: Readonly<Record<string, string | readonly string[] | undefined>>): Record<string, string> {
  const result: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) result[name.toLowerCase()] = typeof value === "string" ? value : value.join(", ");
  }
  return result;
}
