import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";

export interface TextAnswer {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

/** An answer that is made here; whoever has it already is told so. */
export function sendText(response: ServerResponse, answer: TextAnswer, request?: IncomingMessage): void {
  const body = Buffer.from(answer.text);
  const etag = `"${createHash("sha256").update(body).digest("hex").slice(0, 32)}"`;
  setCommonHeaders(response);
  response.setHeader("Content-Type", answer.type);
  response.setHeader("ETag", etag);
  if (answer.status === 200 && request !== undefined && matches(request.headers["if-none-match"], etag)) {
    response.writeHead(304).end();
    return;
  }
  response.writeHead(answer.status, { "Content-Length": body.length });
  if (request?.method === "HEAD") response.end();
  else response.end(body);
}

/** Whether an If-None-Match names this entity (RFC 9110, 13.1.2: compared weakly). */
export function matches(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.split(",").some((one) => one.trim() === "*" || one.trim().replace(/^W\//, "") === etag);
}

export function setCommonHeaders(response: ServerResponse): void {
  response.setHeader("X-Content-Type-Options", "nosniff");
  // Kept, and asked about each time: an index that is a minute old already names what is gone.
  response.setHeader("Cache-Control", "no-cache");
}

export function notFound(response: ServerResponse): void {
  sendText(response, { status: 404, type: "text/plain; charset=utf-8", text: "There is nothing here.\n" });
}
