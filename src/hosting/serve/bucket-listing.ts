import { readdirSync, type Stats, statSync } from "node:fs";
import { join } from "node:path";
import { fileInside } from "../../remotes/index/inside.ts";
import { isSegment } from "../../remotes/index/relative-path.ts";
import { isErrno } from "../../support/errors.ts";

/**
 * The listing of a bucket as S3 answers it to `GET /` (API versions ListObjects and ListObjectsV2 of 2006-03-01).
 * Who asks without a word about pages gets all keys at once: the original does not know that there are pages.
 */
export function bucketListing(root: string, query: URLSearchParams): string {
  const version2 = query.get("list-type") === "2";
  const prefix = query.get("prefix") ?? "";
  const delimiter = query.get("delimiter") ?? "";
  const token = query.get("continuation-token");
  const after = version2 ? (decodeToken(token) ?? query.get("start-after") ?? "") : (query.get("marker") ?? "");
  const paged = version2 || query.has("max-keys") || query.has("marker");
  const limit = paged ? pageSize(query.get("max-keys")) : Number.POSITIVE_INFINITY;
  const { rows, last, truncated } = page(root, { prefix, delimiter, after, limit });
  const encode = query.get("encoding-type") === "url" ? encodeKey : escapeXml;
  const next = truncated && last !== undefined ? last : undefined;
  const head = [
    ["Name", "capstan"],
    ["Prefix", encode(prefix)],
    ["Delimiter", delimiter === "" ? undefined : encode(delimiter)],
    ["MaxKeys", String(paged ? limit : Math.max(PAGE, rows.length))],
    ["EncodingType", query.get("encoding-type") === "url" ? "url" : undefined],
    ["KeyCount", version2 ? String(rows.length) : undefined],
    ["ContinuationToken", version2 && token !== null ? escapeXml(token) : undefined],
    ["StartAfter", version2 ? present(query.get("start-after"), encode) : undefined],
    ["Marker", version2 ? undefined : encode(after)],
    ["NextMarker", version2 || next === undefined ? undefined : encode(next)],
    ["NextContinuationToken", version2 && next !== undefined ? encodeToken(next) : undefined],
    ["IsTruncated", String(truncated)],
  ] as const;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">',
    ...head.flatMap(([name, value]) => (value === undefined ? [] : [element(name, value)])),
    ...rows.map((row) => (typeof row === "string" ? commonPrefix(row, encode) : contents(row, encode))),
    "</ListBucketResult>",
    "",
  ].join("\n");
}

/** As many as S3 gives at once. */
const PAGE = 1000;

interface BucketFile {
  readonly key: string;
  readonly size: number;
  readonly modified: Date;
}

interface PageQuery {
  readonly prefix: string;
  readonly delimiter: string;
  readonly after: string;
  readonly limit: number;
}

interface Page {
  /** A text is a common prefix. */
  readonly rows: readonly (BucketFile | string)[];
  /** Where the next page goes on. */
  readonly last: string | undefined;
  readonly truncated: boolean;
}

function page(root: string, { prefix, delimiter, after, limit }: PageQuery): Page {
  const rows: (BucketFile | string)[] = [];
  let last: string | undefined;
  for (const { key, isLink } of keysBelow(root)) {
    if (!key.startsWith(prefix)) continue;
    const end = delimiter === "" ? -1 : key.indexOf(delimiter, prefix.length);
    const common = end === -1 ? undefined : key.slice(0, end + delimiter.length);
    const row = common ?? key;
    if (row === last || Buffer.compare(Buffer.from(row), Buffer.from(after)) <= 0) continue;
    const stats = common === undefined ? statsOf(root, { key, isLink }) : undefined;
    if (common === undefined && stats === undefined) continue;
    if (rows.length >= limit) return { rows, last, truncated: limit > 0 };
    rows.push(common ?? { key, size: stats?.size ?? 0, modified: stats?.mtime ?? new Date(0) });
    last = row;
  }
  return { rows, last, truncated: false };
}

interface Key {
  readonly key: string;
  readonly isLink: boolean;
}

/** All that can be fetched, in the order of their bytes, as S3 has them. */
function keysBelow(root: string): readonly Key[] {
  const keys: Key[] = [];
  const visit = (folder: string, depth: number): void => {
    for (const entry of namesIn(join(root, folder))) {
      const key = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (!isSegment(entry.name)) continue;
      if (entry.isFile() || entry.isSymbolicLink()) keys.push({ key, isLink: entry.isSymbolicLink() });
      else if (entry.isDirectory() && depth < MAX_DEPTH) visit(key, depth + 1);
    }
  };
  visit("", 0);
  const ordered = keys.map((one) => ({ bytes: Buffer.from(one.key), one }));
  return ordered.sort((a, b) => Buffer.compare(a.bytes, b.bytes)).map(({ one }) => one);
}

/** Only links can lead out: the folders on the way to a key are none. */
function statsOf(root: string, { key, isLink }: Key): Stats | undefined {
  return isLink ? fileInside(root, key)?.stats : statSync(join(root, key), { throwIfNoEntry: false });
}

const MAX_DEPTH = 16;

function namesIn(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "EACCES")) return [];
    throw error;
  }
}

function contents({ key, size, modified }: BucketFile, encode: (text: string) => string): string {
  const etag = `&quot;${size.toString(16)}-${modified.getTime().toString(16)}&quot;`;
  const values = [
    element("Key", encode(key)),
    element("LastModified", modified.toISOString()),
    element("ETag", etag),
    element("Size", String(size)),
    element("StorageClass", "STANDARD"),
  ];
  return element("Contents", values.join(""));
}

function commonPrefix(prefix: string, encode: (text: string) => string): string {
  return element("CommonPrefixes", element("Prefix", encode(prefix)));
}

function element(name: string, value: string): string {
  return `<${name}>${value}</${name}>`;
}

function pageSize(text: string | null): number {
  const size = text !== null && /^\d{1,9}$/.test(text) ? Number(text) : PAGE;
  return Math.min(size, PAGE);
}

function encodeToken(key: string): string {
  return Buffer.from(key).toString("base64url");
}

function decodeToken(token: string | null): string | undefined {
  return token === null ? undefined : Buffer.from(token, "base64url").toString();
}

function present(value: string | null, encode: (text: string) => string): string | undefined {
  return value === null ? undefined : encode(value);
}

function encodeKey(text: string): string {
  return text.split("/").map(encodeURIComponent).join("/");
}

export function escapeXml(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&apos;",
  };
  // XML 1.0, 2.2: control characters and these two are not allowed, not even as references.
  return text.replace(/[&<>"']/g, (one) => entities[one] ?? "").replace(/[\p{Cc}\ufffe\uffff]/gu, "\ufffd");
}
