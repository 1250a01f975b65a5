import { constants, type Stats } from "node:fs";
import { open } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import type { InsideFile } from "../../remotes/index/inside.ts";
import { MiB } from "../../support/bytes.ts";
import { isErrno } from "../../support/errors.ts";
import { matches, notFound, setCommonHeaders } from "./answer.ts";
import { parseRange } from "./range.ts";

/** Sends a file or a part of it. The file is opened once: one that is replaced meanwhile is sent as it was. */
export async function sendFile(request: IncomingMessage, response: ServerResponse, found: InsideFile): Promise<void> {
  const file = await tryOpen(found.path);
  if (file === undefined) {
    notFound(response);
    return;
  }
  try {
    const stats = await file.stat();
    if (!stats.isFile()) {
      notFound(response);
      return;
    }
    const part = answerHead(request, response, { path: found.path, stats });
    if (part === undefined) {
      response.end();
      return;
    }
    const { start, end } = part;
    const content = file.createReadStream({ start, end, highWaterMark: MiB / 4, autoClose: false });
    await pipeline(content, response);
    // A file that was cut meanwhile: the reader has to see that it did not get all.
    if (content.bytesRead < end - start + 1) response.destroy();
  } catch (error) {
    if (!isErrno(error, "ERR_STREAM_PREMATURE_CLOSE", "ECONNRESET", "EPIPE")) throw error;
  } finally {
    await file.close();
  }
}

async function tryOpen(path: string) {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "EACCES", "ELOOP")) return undefined;
    throw error;
  }
}

/** Writes the head of the answer; returns what is to follow it, undefined for nothing. */
function answerHead(
  request: IncomingMessage,
  response: ServerResponse,
  { path, stats }: { readonly path: string; readonly stats: Stats },
): { readonly start: number; readonly end: number } | undefined {
  const { size } = stats;
  const etag = etagOf(stats);
  const modified = stats.mtime.toUTCString();
  setCommonHeaders(response);
  for (const [name, value] of [
    ["Content-Type", typeOf(path)],
    ["ETag", etag],
    ["Last-Modified", modified],
    ["Accept-Ranges", "bytes"],
  ] as const) {
    response.setHeader(name, value);
  }
  if (isUnchanged(request, { etag, stats })) {
    response.writeHead(304);
    return undefined;
  }
  const ifRange = request.headers["if-range"];
  const mayRange = request.method === "GET" && (ifRange === undefined || ifRange === etag || ifRange === modified);
  const range = mayRange ? parseRange(request.headers.range, size) : undefined;
  if (range === "unsatisfiable") {
    response.writeHead(416, { "Content-Range": `bytes */${size}`, "Content-Length": 0 });
    return undefined;
  }
  const part = range ?? { start: 0, end: size - 1 };
  const headers = range === undefined ? {} : { "Content-Range": `bytes ${part.start}-${part.end}/${size}` };
  const length = part.end - part.start + 1;
  response.writeHead(range === undefined ? 200 : 206, { ...headers, "Content-Length": length });
  return request.method === "HEAD" || length === 0 ? undefined : part;
}

function etagOf({ size, mtimeMs, ino }: Stats): string {
  return `"${size.toString(16)}-${Math.floor(mtimeMs * 1000).toString(16)}-${ino.toString(16)}"`;
}

function isUnchanged(
  { headers }: IncomingMessage,
  { etag, stats }: { readonly etag: string; readonly stats: Stats },
): boolean {
  const { "if-none-match": tag, "if-modified-since": since } = headers;
  if (tag !== undefined) return matches(tag, etag);
  return since !== undefined && Date.parse(since) >= Math.floor(stats.mtimeMs / 1000) * 1000;
}

const TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  json: "application/json",
  md: "text/markdown; charset=utf-8",
  yaml: "application/yaml",
  xml: "application/xml",
  gz: "application/gzip",
  mpm: "application/gzip",
};

function typeOf(path: string): string {
  return TYPES[path.slice(path.lastIndexOf(".") + 1)] ?? "application/octet-stream";
}
