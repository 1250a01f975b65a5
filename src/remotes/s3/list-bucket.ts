import { quoted } from "../../project/text-file.ts";
import { MiB } from "../../support/bytes.ts";
import type { Context } from "../../support/context.ts";
import { CapstanError } from "../../support/errors.ts";
import { fetchDocument } from "../http.ts";
import { mayRetry } from "../http-retry.ts";
import { type Endpoint, urlBelow } from "../listing/endpoint.ts";
import { type BucketObject, type ListPage, parseListPage } from "./list-xml.ts";

export interface BucketRequest {
  readonly endpoint: Endpoint;
  /** Of the remote, for messages. */
  readonly remote: string;
  /** Only keys that begin so; a server that does not know of prefixes gives the others as well. */
  readonly prefix: string | undefined;
}

/**
 * All objects of a bucket, over as many pages as it takes: asked for in version 2, and in version 1 where the server does not know that.
 * Errors: those of fetchDocument, `remote-bad-listing`.
 */
export async function listBucket(request: BucketRequest, context: Context): Promise<readonly BucketObject[]> {
  const objects: BucketObject[] = [];
  const asked = new Set<string>();
  let page = await firstPage(request, context);
  for (;;) {
    objects.push(...page.objects);
    if (!page.truncated) return objects;
    const next = nextQuery(page);
    const place = next === undefined ? undefined : String(new URLSearchParams(next));
    if (next === undefined || place === undefined) throw badListing(request, "says that there is more, and not where");
    if (asked.has(place)) throw badListing(request, "goes round in a circle");
    asked.add(place);
    if (asked.size > PAGE_LIMIT || objects.length > OBJECT_LIMIT) throw badListing(request, "does not end");
    page = await fetchPage(request, { ...prefixQuery(request), ...next }, context);
  }
}

/** Servers give at most 1,000 keys a page. */
const PAGE_LIMIT = 2000;
const OBJECT_LIMIT = 1_000_000;
const BODY_LIMIT = 32 * MiB;

type Query = Readonly<Record<string, string>>;

const VERSION_2: Query = { "list-type": "2" };

/** Servers that do not know version 2 pass over what asks for it, or refuse; what then remains is the plain question. */
async function firstPage(request: BucketRequest, context: Context): Promise<ListPage> {
  try {
    return await fetchPage(request, { ...VERSION_2, ...prefixQuery(request) }, context);
  } catch (error) {
    if (!(error instanceof CapstanError) || !REFUSALS.includes(error.code) || mayRetry(error)) throw error;
    return await fetchPage(request, {}, context);
  }
}

const REFUSALS: readonly string[] = ["remote-error", "remote-not-found"];

function prefixQuery({ prefix }: BucketRequest): Query {
  return prefix === undefined ? {} : { prefix };
}

function nextQuery({ continuationToken, nextMarker, objects }: ListPage): Query | undefined {
  if (continuationToken !== undefined) return { ...VERSION_2, "continuation-token": continuationToken };
  const marker = nextMarker ?? objects.at(-1)?.key;
  return marker === undefined ? undefined : { marker };
}

async function fetchPage(request: BucketRequest, query: Query, context: Context): Promise<ListPage> {
  const { endpoint, remote } = request;
  const url = urlBelow(endpoint, [], new URLSearchParams(query));
  const what = `the list of the remote ${quoted(remote)}`;
  const { body } = await fetchDocument({ url, headers: endpoint.headers, what, limit: BODY_LIMIT }, context);
  const page = await parseListPage(body);
  if ("problem" in page) throw badListing(request, page.problem);
  return page;
}

function badListing({ endpoint, remote }: BucketRequest, problem: string): CapstanError {
  return new CapstanError(
    `The remote ${quoted(remote)} does not list what it has: the answer of ${endpoint.address} ${problem}`,
    {
      code: "remote-bad-listing",
      hint: "Check the address: it must be that of an S3 bucket whose objects anyone may list.",
    },
  );
}
