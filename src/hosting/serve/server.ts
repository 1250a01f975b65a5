import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { quoted } from "../../project/text-file.ts";
import type { Context } from "../../support/context.ts";
import { CapstanError, ExitCode, isErrno } from "../../support/errors.ts";
import { openRepository } from "../repository.ts";
import { sendText } from "./answer.ts";
import { createRouter } from "./router.ts";

export interface ServeOptions {
  /** 0: one that is free. */
  readonly port: number;
  /** "127.0.0.1": for this machine alone; "0.0.0.0" or "::" for all that can reach it. */
  readonly host: string;
}

export interface Serving {
  /** `http://127.0.0.1:8080/` */
  readonly url: string;
  readonly port: number;
  /** Stops, and breaks off what is being sent. */
  close(): Promise<void>;
  /** Resolves when it has stopped, also by the context's signal. */
  readonly closed: Promise<void>;
}

/**
 * Gives a repository out by HTTP in all the ways that clients know: index.json and the files beside it, the listing of
 * an S3 bucket at `/`, and the releases of GitHub's API below `/repos/`. Nothing can be changed over it.
 * Errors: CapstanError `no-such-repository`, `port-in-use`.
 */
export async function serve(dir: string, options: ServeOptions, context: Context): Promise<Serving> {
  const repository = openRepository(dir, context);
  const route = createRouter(repository, context);
  const server = createServer((request, response) => {
    response.on("close", () => report(request, response, context));
    route(request, response).catch((error: unknown) => fail(error, response, context));
  });
  await listen(server, options);
  const { port } = server.address() as AddressInfo;
  const close = () => {
    server.close();
    server.closeAllConnections();
    return closed;
  };
  const closed = new Promise<void>((resolve) => server.on("close", resolve));
  const stop = () => void close();
  context.signal.addEventListener("abort", stop, { once: true });
  server.on("close", () => context.signal.removeEventListener("abort", stop));
  return { url: `http://${shownHost(options.host)}:${port}/`, port, close, closed };
}

function listen(server: Server, { host, port }: ServeOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => reject(listenError(error, { host, port })));
    server.listen(port, host, () => resolve());
  });
}

function listenError(error: Error, { host, port }: ServeOptions): Error {
  const reasons = [
    ["EADDRINUSE", "port-in-use", "something else listens there", "Choose another one with --port, or 0 for any."],
    ["EACCES", "port-refused", "ports below 1024 are for root", "Choose another one with --port."],
    ["EADDRNOTAVAIL", "bad-host", "this machine has no such address", "Use 127.0.0.1, or 0.0.0.0 for all addresses."],
    ["ENOTFOUND", "bad-host", "there is no host of this name", "Use 127.0.0.1, or 0.0.0.0 for all addresses."],
  ] as const;
  const known = reasons.find(([errno]) => isErrno(error, errno));
  if (known === undefined) return error;
  const [, code, reason, hint] = known;
  const message = `Cannot listen on port ${port} of ${host}: ${reason}`;
  return new CapstanError(message, { code, hint, exitCode: ExitCode.unavailable, cause: error });
}

function shownHost(host: string): string {
  if (host === "0.0.0.0" || host === "::") return "localhost";
  return host.includes(":") ? `[${host}]` : host;
}

function report(request: IncomingMessage, response: ServerResponse, { reporter }: Context): void {
  const agent = quoted(request.headers["user-agent"] ?? "");
  const text = `${request.method} ${quoted(request.url ?? "")} ${response.statusCode} ${agent}`;
  reporter.report({ kind: "detail", text });
}

/** One file that cannot be read must not end the server; what the reader gets tells nothing of this machine. */
function fail(error: unknown, response: ServerResponse, { reporter }: Context): void {
  const text = error instanceof Error ? error.message : String(error);
  reporter.report({ kind: "warning", text: `A request failed: ${text}` });
  if (response.headersSent) response.destroy();
  else sendText(response, { status: 500, type: "text/plain; charset=utf-8", text: "Something went wrong here.\n" });
}
