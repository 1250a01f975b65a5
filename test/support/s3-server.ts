import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface S3ServerOptions {
  /** Keys and contents. */
  readonly objects: Readonly<Record<string, string | Uint8Array>>;
  /** Which listings it knows: a server of version 1 passes over `list-type`, or refuses what it does not know. */
  readonly version?: 1 | 2 | "refuses 2" | undefined;
  readonly pageSize?: number | undefined;
  /** Version 1: whether a page that is not the last one names the next. */
  readonly nextMarker?: boolean | undefined;
  /** Gives all keys, whatever prefix is asked for. */
  readonly ignoresPrefix?: boolean | undefined;
  /** Path of the bucket: `/`, or `/bucket/` as in path-style addresses. */
  readonly path?: string | undefined;
}

/** An S3-compatible server with one bucket that anyone may list, on loopback. */
export class S3Server implements AsyncDisposable {
  readonly asked: string[] = [];
  readonly authorizations: (string | undefined)[] = [];
  /** Changes a listing before it is sent. */
  tamper: (xml: string, page: number) => string = (xml) => xml;
  /** Answers for a path instead of what is there. */
  readonly failing = new Map<string, { readonly status: number; readonly body: string }>();
  readonly #options: S3ServerOptions;
  readonly #keys: readonly string[];
  readonly #server: Server;
  #pages = 0;

  private constructor(options: S3ServerOptions) {
    this.#options = options;
    this.#keys = Object.keys(options.objects).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  static async start(options: S3ServerOptions): Promise<S3Server> {
    const server = new S3Server(options);
    await new Promise<void>((resolve) => server.#server.listen(0, "127.0.0.1", resolve));
    return server;
  }

  /** With a slash at its end. */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}${this.#options.path ?? "/"}`;
  }

  get listings(): readonly string[] {
    return this.asked.filter((path) => path.split("?")[0] === (this.#options.path ?? "/"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(request: IncomingMessage, response: ServerResponse): ServerResponse {
    const url = new URL(request.url ?? "", this.url);
    this.asked.push(request.url ?? "");
    this.authorizations.push(request.headers.authorization);
    const failing = this.failing.get(url.pathname);
    if (failing !== undefined) {
      return response.writeHead(failing.status, { "content-type": "text/html" }).end(failing.body);
    }
    const root = this.#options.path ?? "/";
    if (url.pathname === root) return this.#list(url.searchParams, response);
    // S3 takes a plus sign in a path for a space.
    const key = decodeURIComponent(url.pathname.slice(root.length).replaceAll("+", " "));
    const content = this.#options.objects[key];
    if (!url.pathname.startsWith(root) || content === undefined) return sendError(response, 404, "NoSuchKey");
    const bytes = Buffer.from(content);
    return response.writeHead(200, { "content-length": bytes.length, etag: etagOf(bytes) }).end(bytes);
  }

  #list(query: URLSearchParams, response: ServerResponse): ServerResponse {
    const { version = 2, pageSize = 1000, ignoresPrefix = false } = this.#options;
    if (query.has("list-type") && version === "refuses 2") return sendError(response, 400, "InvalidArgument");
    const prefix = ignoresPrefix ? "" : (query.get("prefix") ?? "");
    const isSecond = version === 2 && query.get("list-type") === "2";
    const token = query.get("continuation-token");
    const after = isSecond ? decodeToken(token ?? encodeToken("")) : (query.get("marker") ?? "");
    if (after === undefined) return sendError(response, 400, "InvalidArgument");
    const keys = this.#keys.filter(
      (key) => key.startsWith(prefix) && Buffer.compare(Buffer.from(key), Buffer.from(after)) > 0,
    );
    const shown = keys.slice(0, pageSize);
    const truncated = keys.length > shown.length;
    const xml = this.#xml({ prefix, shown, truncated, isSecond });
    return response.writeHead(200, { "content-type": "application/xml" }).end(this.tamper(xml, ++this.#pages));
  }

  #xml(page: { prefix: string; shown: readonly string[]; truncated: boolean; isSecond: boolean }): string {
    const { prefix, shown, truncated, isSecond } = page;
    const last = shown.at(-1) ?? "";
    const next = isSecond
      ? `<NextContinuationToken>${escapeXml(encodeToken(last))}</NextContinuationToken>`
      : this.#options.nextMarker === true
        ? `<NextMarker>${escapeXml(last)}</NextMarker>`
        : "";
    return [
      '<?xml version="1.0" encoding="UTF-8"?>\n',
      '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>capstan</Name>',
      `<Prefix>${escapeXml(prefix)}</Prefix>`,
      isSecond ? `<KeyCount>${shown.length}</KeyCount>` : "<Marker></Marker>",
      `<MaxKeys>1000</MaxKeys><IsTruncated>${truncated}</IsTruncated>`,
      truncated ? next : "",
      ...shown.map((key) => this.#contents(key)),
      "</ListBucketResult>",
    ].join("");
  }

  #contents(key: string): string {
    const bytes = Buffer.from(this.#options.objects[key] ?? "");
    return [
      `<Contents><Key>${escapeXml(key)}</Key><LastModified>2017-09-14T16:08:16.000Z</LastModified>`,
      `<ETag>${escapeXml(etagOf(bytes))}</ETag><Size>${bytes.length}</Size>`,
      "<StorageClass>STANDARD</StorageClass></Contents>",
    ].join("");
  }
}

function etagOf(bytes: Uint8Array): string {
  return `"${createHash("md5").update(bytes).digest("hex")}"`;
}

/** Servers hand out what they like: here with the characters that must be escaped in XML and in a query. */
function encodeToken(key: string): string {
  return `1&<+/= ${Buffer.from(key).toString("base64")}`;
}

function decodeToken(token: string): string | undefined {
  if (!token.startsWith("1&<+/= ")) return undefined;
  return Buffer.from(token.slice(7), "base64").toString();
}

function escapeXml(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: S3 writes those as references that XML 1.0 forbids
  return text.replace(/[&<>"\u0000-\u001f]/g, (one) => `&#${one.charCodeAt(0)};`);
}

function sendError(response: ServerResponse, status: number, code: string): ServerResponse {
  const body = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>Not here.</Message></Error>`;
  return response.writeHead(status, { "content-type": "application/xml" }).end(body);
}
