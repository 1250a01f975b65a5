import { createServer, request as forward, type Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";

/** A real forward proxy on loopback: whole addresses of http, and tunnels with CONNECT. */
export class ForwardProxy {
  /** `GET http://…` and `CONNECT host:port`, with their Proxy-Authorization. */
  readonly seen: { readonly line: string; readonly authorization: string | undefined }[] = [];
  /** Where it is set, all tunnels lead to this port of the loopback. */
  tunnelTo: number | undefined;
  /** Where it is set, it refuses all with this status. */
  refuses: number | undefined;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  static async start(): Promise<ForwardProxy> {
    const proxy = new ForwardProxy();
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  private constructor() {
    this.#server = createServer((request, response) => {
      this.seen.push({
        line: `${request.method} ${request.url}`,
        authorization: request.headers["proxy-authorization"],
      });
      if (this.refuses !== undefined) {
        response.writeHead(this.refuses).end("refused by the proxy");
        return;
      }
      const { "proxy-authorization": _, "proxy-connection": __, ...headers } = request.headers;
      const onward = forward(request.url ?? "", { method: request.method, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      });
      onward.on("error", () => response.writeHead(502).end());
      request.pipe(onward);
    });
    this.#server.on("connect", (request, client: Socket) => {
      this.seen.push({ line: `CONNECT ${request.url}`, authorization: request.headers["proxy-authorization"] });
      if (this.refuses !== undefined) {
        client.end(`HTTP/1.1 ${this.refuses} No\r\n\r\n`);
        return;
      }
      const [host = "", port = ""] = (request.url ?? "").split(":");
      const onward = this.tunnelTo === undefined ? connect(Number(port), host) : connect(this.tunnelTo, "127.0.0.1");
      this.#sockets.add(onward).add(client);
      onward.on("connect", () => {
        client.write("HTTP/1.1 200 OK\r\n\r\n");
        onward.pipe(client).pipe(onward);
      });
      onward.on("error", () => client.destroy());
      client.on("error", () => onward.destroy());
    });
  }

  url(user = ""): string {
    return `http://${user}127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    this.#server.closeAllConnections();
    await closed;
  }
}
