import { createHash } from "node:crypto";
import { join } from "node:path";
import { MiB } from "../support/bytes.ts";
import type { Context } from "../support/context.ts";
import { readBody } from "./http-body.ts";
import { type CacheEntry, readEntry, writeEntry } from "./http-cache.ts";
import { statusError } from "./http-errors.ts";
import { type Method, openAnswer, type RequestBody } from "./http-exchange.ts";
import { readFileUrl } from "./http-file.ts";
import { retrying } from "./http-retry.ts";
import { tuningOf, withDeadline } from "./http-tuning.ts";
import { isFileUrl } from "./http-url.ts";

export interface HttpRequest {
  /** http:, https: or file:, where a file that is there answers 200 and no other method than GET and HEAD is taken. */
  readonly url: string;
  readonly method?: Method | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** What PUT and POST send. */
  readonly body?: RequestBody | undefined;
  /** For messages: what is fetched, "the list of releases of cloudius-systems/osv". */
  readonly what: string;
  /** A small answer, read whole: in bytes. 64 MiB. */
  readonly limit?: number | undefined;
}

export interface HttpAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** After redirects. */
  readonly url: string;
}

/**
 * Fetches a small document. Status other than 2xx and 304 is an error: `remote-not-found` (404, 410), `remote-forbidden` (401, 403),
 * `remote-rate-limit` (403 or 429 with its headers, tells when it ends), `remote-error` (others), `remote-unreachable`.
 * A body above the limit is `remote-too-large`, a proxy setting that is none `bad-proxy`.
 * Retried with back-off where that may help. Proxies as HTTP_PROXY, HTTPS_PROXY and NO_PROXY of the context's environment say.
 */
export async function fetchDocument(request: HttpRequest, context: Context): Promise<HttpAnswer> {
  const limit = request.limit ?? 64 * MiB;
  if (isFileUrl(request.url)) return readFileUrl(request, limit);
  const tuning = tuningOf(context);
  // What is sent takes as long as it takes; the time-outs of each silence hold for it as well.
  const total = request.body === undefined ? tuning.documentTimeout : undefined;
  return await retrying(request.what, context, () =>
    withDeadline(context.signal, total, async (signal) => {
      const headers = { "accept-encoding": "gzip", ...request.headers };
      const answer = await openAnswer({ ...request, method: request.method ?? "GET", headers, signal }, context);
      if (!isSuccess(answer.status)) throw await statusError(answer, { ...request, headers }, context);
      return await readBody(answer, { limit, what: request.what, signal: context.signal });
    }),
  );
}

export interface CachedRequest extends HttpRequest {
  /** Answers are kept here by URL with their ETag or Last-Modified, and asked for with If-None-Match. */
  readonly cacheFolder: string;
}

/**
 * The same through a cache on disk: an answer 304 costs no rate limit at GitHub. What is returned has the status and the headers of
 * the kept answer then, with those of the 304 over them. The server is always asked, with the request's own authorization.
 */
export async function fetchCached(request: CachedRequest, context: Context): Promise<HttpAnswer> {
  if (isFileUrl(request.url)) return await fetchDocument(request, context);
  const path = join(request.cacheFolder, `${createHash("sha256").update(request.url).digest("hex")}.http`);
  const kept = readEntry(path, request);
  const answer = await fetchDocument({ ...request, headers: { ...validators(kept), ...request.headers } }, context);
  if (answer.status === 304 && kept !== undefined) {
    return { ...kept.answer, headers: { ...kept.answer.headers, ...answer.headers } };
  }
  if (answer.status === 200) await writeEntry(path, request, answer);
  return answer;
}

function isSuccess(status: number): boolean {
  return (status >= 200 && status < 300) || status === 304;
}

function validators(kept: CacheEntry | undefined): Record<string, string> {
  const { etag, "last-modified": modified } = kept?.answer.headers ?? {};
  if (etag !== undefined) return { "if-none-match": etag };
  return modified === undefined ? {} : { "if-modified-since": modified };
}
