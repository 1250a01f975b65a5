import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect } from "vitest";

/**
 * A stand-in for OSv's REST server (modules/httpserver-api), whose answers were taken from a real one of v0.57.0-398.
 * Its files are a map from absolute paths to contents; folders have no content.
 */
export class GuestServer {
  readonly files = new Map<string, Buffer | undefined>();
  readonly requests: string[] = [];
  readOnly = false;
  answer: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined;
  #server: Server | undefined;

  /** Its port on 127.0.0.1. */
  async start(): Promise<number> {
    const server = createServer((request, response) => {
      this.requests.push(`${request.method} ${request.url}`);
      if (this.answer?.(request, response) === true) return;
      void this.#handle(request, response);
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return (server.address() as AddressInfo).port;
  }

  stop(): void {
    this.#server?.closeAllConnections();
    this.#server?.close();
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://guest");
    if (url.pathname.startsWith("/file/")) return await this.#file(request, response, url);
    const answers: Readonly<Record<string, unknown>> = {
      "/os/name": "OSv",
      "/os/version": "v0.57.0-398-g0e34e4dc",
      "/os/uptime": 9,
      "/os/memory/total": 536_000_000,
      "/os/memory/free": 514_285_568,
      "/os/cmdline": "/libhttpserver-api.so",
      "/hardware/processor/count": 2,
      "/env/": ["OSV_CPUS=2", "A=b"],
      "/fs/df/": [
        { filesystem: "/dev/vblk0.1", mount: "/", btotal: 6797, bfree: 0, ftotal: 45, ffree: 0, blocksize: 512 },
      ],
      "/network/ifconfig/": [{ config: { name: "eth0", addr: "10.0.2.15" }, data: {}, time: 1 }],
      "/os/threads": {
        list: [{ id: 31, cpu: 0, cpu_ms: 118, switches: 59, priority: 1, status: "running", name: "/server" }],
        time_ms: 1000,
      },
    };
    const answer = answers[url.pathname];
    send(response, answer === undefined ? 404 : 200, answer ?? { message: `Not found`, code: 404 });
  }

  async #file(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    const path = `/${decodeURIComponent(url.pathname.slice("/file/".length)).replace(/^\/+/, "")}`;
    if (request.method === "POST") {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const body = Buffer.concat(chunks);
      expect(body.length).toBe(Number(request.headers["content-length"]));
      const boundary = /boundary=(.*)$/.exec(request.headers["content-type"] ?? "")?.[1] ?? "";
      const start = body.indexOf("\r\n\r\n") + 4;
      expect(body.subarray(0, start).toString()).toContain(`--${boundary}\r\nContent-Disposition: form-data; name=`);
      expect(body.subarray(body.length - boundary.length - 8).toString()).toBe(`\r\n--${boundary}--\r\n`);
      this.files.set(path, body.subarray(start, body.length - boundary.length - 8));
      response.end();
      return;
    }
    if (request.method === "PUT" && url.searchParams.get("op") === "MKDIRS") {
      if (this.readOnly) return send(response, 400, { message: "Failed creating directory", code: 400 });
      this.files.set(path, undefined);
      return send(response, 200, "");
    }
    if (request.method === "DELETE") {
      this.files.delete(path);
      return send(response, 200, "");
    }
    if (!this.files.has(path)) return send(response, 404, { message: `Not found: '${path}'`, code: 404 });
    const op = url.searchParams.get("op");
    if (op === "GETFILESTATUS") send(response, 200, this.#status(path));
    else if (op === "GET") response.end(this.files.get(path));
    else {
      const children = [...this.files.keys()].filter((name) => name !== path && join(name, "..") === path);
      send(response, 200, [{ pathSuffix: ".", type: "DIRECTORY" }, ...children.map((child) => this.#status(child))]);
    }
  }

  #status(path: string) {
    const content = this.files.get(path);
    const type = content === undefined ? "DIRECTORY" : "FILE";
    return {
      pathSuffix: path.split("/").at(-1),
      type,
      length: content?.length ?? 0,
      permission: "644",
      modificationTime: 5,
    };
  }
}

export function send(response: ServerResponse, code: number, value: unknown): void {
  const text = JSON.stringify(value);
  response.writeHead(code, { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(text) });
  response.end(text);
}
