import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout } from "node:timers/promises";

/** What goes wrong with one answer; all but `as-it-is` and those that replace the answer are done to the answer as it would be. */
export type Fault =
  | { readonly kind: "as-it-is" }
  /** In its place: an error, a redirect, a rate limit. */
  | {
      readonly kind: "status";
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string | Uint8Array;
    }
  /** The connection ends after so many bytes of the body. */
  | { readonly kind: "cut"; readonly after: number }
  /** The same with a TCP reset; -1: before the headers. */
  | { readonly kind: "reset"; readonly after: number }
  /** Nothing more comes after so many bytes, and the connection stays open; -1: not even headers. */
  | { readonly kind: "stall"; readonly after: number }
  | { readonly kind: "drip"; readonly bytes: number; readonly everyMs: number }
  | { readonly kind: "wrong-length"; readonly length: number }
  | { readonly kind: "no-ranges" }
  | { readonly kind: "content-range"; readonly value: string | undefined }
  /** What is sent instead of HTTP. */
  | { readonly kind: "garbage"; readonly text: string };

/** A file on the server. Whatever is written to it holds for the next request. */
export interface Served {
  body: Uint8Array;
  etag?: string | undefined;
  lastModified?: string | undefined;
  headers?: Readonly<Record<string, string>>;
  /** No Content-Length. */
  isChunked?: boolean;
  /** For one request each, in this order; then for all others `always`. */
  faults?: Fault[];
  always?: Fault | ((request: Recorded) => Fault);
}

export interface Recorded {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** Of what PUT sent. */
  readonly sent: Buffer;
  /** Bytes of the body that were handed to the connection. */
  answered: number;
}

/** A real server on loopback, with faults on demand. Unknown paths are answered 404. */
export class MisbehavingServer {
  readonly files = new Map<string, Served>();
  readonly requests: Recorded[] = [];
  readonly #server: Server;
  readonly #sockets: Socket[] = [];

  static async start(): Promise<MisbehavingServer> {
    const server = new MisbehavingServer();
    await new Promise<void>((resolve) => server.#server.listen(0, "127.0.0.1", resolve));
    return server;
  }

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch(() => response.destroy());
    });
    this.#server.on("connection", (socket: Socket) => this.#sockets.push(socket));
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** The address of a path; `host` may be another name of the loopback, such as localhost. */
  url(path: string, host = "127.0.0.1"): string {
    return `http://${host}:${this.port}${path}`;
  }

  /** Puts a file there, and returns it for changes. */
  serve(path: string, file: Served): Served {
    this.files.set(path, file);
    return file;
  }

  of(path: string): readonly Recorded[] {
    return this.requests.filter((one) => one.path.split("?")[0] === path);
  }

  /** How many connections are open. */
  connections(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.getConnections((error, count) => (error ? reject(error) : resolve(count)));
    });
  }

  /** How many bytes the system has taken for the other side, of all connections so far. */
  received(): number {
    return this.#sockets.reduce((sum, socket) => sum + socket.bytesWritten - socket.writableLength, 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const { method = "", url = "", headers } = request;
    const path = url.replace(/^http:\/\/[^/]+/, "");
    const recorded: Recorded = { method, path, headers, sent: Buffer.concat(chunks), answered: 0 };
    this.requests.push(recorded);
    const file = this.files.get(path) ?? this.files.get(path.split("?")[0] ?? "");
    if (file === undefined) {
      response.writeHead(404, { "content-type": "text/html" });
      response.end("<html><head><title>404 Not Found</title></head><body>nginx</body></html>");
      return;
    }
    const always = typeof file.always === "function" ? file.always(recorded) : file.always;
    const fault = file.faults?.shift() ?? always ?? { kind: "as-it-is" };
    await answer({ request, response, recorded, file, fault });
  }
}

interface Answering {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly recorded: Recorded;
  readonly file: Served;
  readonly fault: Fault;
}

async function answer({ request, response, recorded, file, fault }: Answering): Promise<void> {
  const { socket } = request;
  if (fault.kind === "garbage") {
    socket.end(fault.text);
    return;
  }
  if (fault.kind === "status") {
    response.writeHead(fault.status, fault.headers);
    response.end(fault.body);
    return;
  }
  if (fault.kind === "reset" && fault.after < 0) {
    socket.resetAndDestroy();
    return;
  }
  if (fault.kind === "stall" && fault.after < 0) return;
  const { status, headers, body } = plan(request, file, fault);
  if (fault.kind === "wrong-length") response.shouldKeepAlive = false;
  response.writeHead(status, headers);
  if (request.method === "HEAD") {
    response.end();
    return;
  }
  const send = (bytes: Uint8Array) =>
    new Promise<void>((resolve) => {
      recorded.answered += bytes.length;
      response.write(bytes, () => resolve());
    });
  if (fault.kind === "drip") {
    for (let start = 0; start < body.length && !socket.destroyed; start += fault.bytes) {
      await send(body.subarray(start, start + fault.bytes));
      await setTimeout(fault.everyMs);
    }
    response.end();
  } else if (fault.kind === "cut" || fault.kind === "reset" || fault.kind === "stall") {
    response.flushHeaders();
    if (fault.after > 0) await send(body.subarray(0, fault.after));
    if (fault.kind === "stall") return;
    // A reset overtakes what is under way still.
    if (fault.kind === "reset") setTimeout(20).then(() => socket.resetAndDestroy());
    else socket.end(() => socket.destroy());
  } else {
    recorded.answered += body.length;
    response.end(body);
  }
}

interface Planned {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** What a good server would answer, but for what the fault says about its headers. RFC 9110, 13 and 14. */
function plan(request: IncomingMessage, file: Served, fault: Fault): Planned {
  const asked = request.headers;
  const total = file.body.length;
  const common = {
    ...(file.etag === undefined ? {} : { etag: file.etag }),
    ...(file.lastModified === undefined ? {} : { "last-modified": file.lastModified }),
    ...file.headers,
  };
  const isKnown =
    (file.etag !== undefined && asked["if-none-match"] === file.etag) ||
    (file.lastModified !== undefined && asked["if-modified-since"] === file.lastModified);
  if (isKnown) return { status: 304, headers: common, body: Buffer.alloc(0) };
  const start = rangeStart(asked, file, fault);
  if (start !== undefined && start >= total) {
    return { status: 416, headers: { ...common, "content-range": `bytes */${total}` }, body: Buffer.alloc(0) };
  }
  const body = file.body.subarray(start ?? 0);
  const length = fault.kind === "wrong-length" ? fault.length : body.length;
  const size: Record<string, string> = file.isChunked ? {} : { "content-length": String(length) };
  if (start === undefined) return { status: 200, headers: { ...common, ...size }, body };
  const right = `bytes ${start}-${total - 1}/${total}`;
  const range = fault.kind === "content-range" ? fault.value : right;
  return {
    status: 206,
    headers: { ...common, ...size, ...(range === undefined ? {} : { "content-range": range }) },
    body,
  };
}

function rangeStart(asked: IncomingHttpHeaders, file: Served, fault: Fault): number | undefined {
  const start = /^bytes=(\d+)-$/.exec(asked.range ?? "")?.[1];
  if (start === undefined || fault.kind === "no-ranges") return undefined;
  const condition = asked["if-range"];
  return condition === undefined || condition === file.etag || condition === file.lastModified
    ? Number(start)
    : undefined;
}
