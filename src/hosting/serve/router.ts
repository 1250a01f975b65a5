import type { IncomingMessage, ServerResponse } from "node:http";
import { fileInside } from "../../remotes/index/inside.ts";
import { INDEX_NAME } from "../../remotes/index/schema.ts";
import type { Context } from "../../support/context.ts";
import { INDEX_PAGE } from "../page/paths.ts";
import { renderPage } from "../page/render-page.ts";
import type { Repository } from "../repository.ts";
import { notFound, sendText } from "./answer.ts";
import { bucketListing } from "./bucket-listing.ts";
import { type CurrentIndex, currentIndex } from "./current-index.ts";
import { RELEASE_TAG, type Release, releaseOf } from "./releases.ts";
import { sendFile } from "./static-file.ts";

export type Route = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/** Finds out what is asked for: at the root, people get a page, and programs the listing of a bucket. Paths are decoded once, segment by segment, and what is odd about one is not found. */
export function createRouter(repository: Repository, context: Context): Route {
  const { root } = repository;
  const current = currentIndex(repository, context);
  return async (request, response) => {
    if (request.method !== "GET" && request.method !== "HEAD") {
      response.setHeader("Allow", "GET, HEAD");
      sendText(response, { status: 405, type: "text/plain; charset=utf-8", text: "This can only be read.\n" });
      return;
    }
    const [target = "", query = ""] = (request.url ?? "").replace(/^https?:\/\/[^/]*/i, "").split(/\?(.*)/s);
    const path = decodePath(target);
    if (path === undefined) return notFound(response);
    if (path === "") response.setHeader("Vary", "Accept");
    const isPage = path === "" && query === "" && prefersHtml(request.headers.accept);
    if (path === "" && !isPage) return sendListing(root, { request, response, query });
    const file = fileInside(root, isPage ? INDEX_PAGE : path);
    if (file !== undefined) return await sendFile(request, response, file);
    if (path === INDEX_NAME) {
      return sendText(response, { status: 200, type: "application/json", text: await current.text() }, request);
    }
    if (isPage || path.endsWith(".html")) {
      const text = await renderPage(isPage ? INDEX_PAGE : path, { root, index: await current.get() }, context);
      if (text === undefined) return notFound(response);
      return sendText(response, { status: 200, type: "text/html; charset=utf-8", text }, request);
    }
    const releases = RELEASES.exec(path)?.groups?.rest;
    if (releases === undefined) return notFound(response);
    const release = await releaseFor(request, current);
    sendRelease(releases, release, { request, response, query });
  };
}

/** GitHub's own API, and the place of it on a GitHub Enterprise server. Any owner and repository will do. */
const RELEASES = /^(?:api\/v3\/)?repos\/[^/]+\/[^/]+\/releases(?<rest>|\/.*)$/;

interface Asked {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: string;
}

function decodePath(target: string): string | undefined {
  if (!target.startsWith("/")) return undefined;
  try {
    return target.slice(1).split("/").map(checkSegment).join("/");
  } catch {
    return undefined;
  }
}

/** A slash that was encoded is no border of folders. */
function checkSegment(segment: string): string {
  const decoded = decodeURIComponent(segment);
  if (/[/\\]/.test(decoded)) throw new RangeError("a border of folders within a segment");
  return decoded;
}

function sendListing(root: string, { request, response, query }: Asked): void {
  const text = bucketListing(root, new URLSearchParams(query));
  sendText(response, { status: 200, type: "application/xml", text }, request);
}

/** Browsers name text/html first; what asks for anything at all is no browser. */
export function prefersHtml(accept: string | undefined): boolean {
  const qualities = new Map<string, number>();
  for (const part of (accept ?? "").toLowerCase().split(",")) {
    const [type = "", ...parameters] = part.split(";").map((one) => one.trim());
    const quality = parameters.find((one) => one.startsWith("q="))?.slice(2);
    qualities.set(type, quality === undefined ? 1 : Number(quality));
  }
  const html = qualities.get("text/html") ?? 0;
  const xml = Math.max(qualities.get("application/xml") ?? 0, qualities.get("text/xml") ?? 0);
  return html > 0 && html >= xml;
}

async function releaseFor(request: IncomingMessage, current: CurrentIndex): Promise<Release> {
  const { host = "" } = request.headers;
  const address = request.socket.localAddress ?? "127.0.0.1";
  const own = `${address.includes(":") ? `[${address}]` : address}:${request.socket.localPort}`;
  return releaseOf(await current.get(), `http://${/^[A-Za-z0-9._:[\]-]+$/.test(host) ? host : own}/`);
}

function sendRelease(rest: string, release: Release, { request, response, query }: Asked): void {
  const page = Number(new URLSearchParams(query).get("page") ?? "1");
  const answers: Readonly<Record<string, unknown>> = {
    "": page > 1 ? [] : [release],
    "/latest": release,
    [`/tags/${RELEASE_TAG}`]: release,
    "/1": release,
  };
  const answer = Object.hasOwn(answers, rest) ? answers[rest] : undefined;
  const text = JSON.stringify(answer ?? { message: "Not Found" });
  const type = "application/json; charset=utf-8";
  sendText(response, { status: answer === undefined ? 404 : 200, type, text }, request);
}
