import { chmodSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { CapstanError, doing, ExitCode } from "../../support/errors.ts";
import { readLines } from "../network/hub/lines.ts";
import { type Arguments, errorRecord, LONGEST_LINE, parseRequest, type Request } from "./protocol.ts";

export type Handler = (args: Arguments) => Promise<Arguments> | Arguments;

const CLOSE_MS = 500;
/** A client that sends requests and reads no answers is hung up on. */
const MOST_UNREAD = 4 << 20;

/** Answers on a supervisor's control socket. */
export class ControlServer {
  readonly #handlers: Readonly<Record<string, Handler>>;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #answers = new Set<Promise<void>>();

  private constructor(handlers: Readonly<Record<string, Handler>>) {
    this.#handlers = handlers;
    this.#server = createServer((socket) => this.#accept(socket));
    // Too many open files, say: who asks now is not answered, and the guest goes on.
    this.#server.on("error", () => {});
  }

  /** Takes the place of a socket that an earlier run left at `path`. */
  static async listen(path: string, handlers: Readonly<Record<string, Handler>>): Promise<ControlServer> {
    const control = new ControlServer(handlers);
    await doing(`Listening on ${path}`, async () => {
      rmSync(path, { force: true });
      await new Promise<void>((resolve, reject) => {
        control.#server.once("error", reject);
        control.#server.listen(path, () => {
          control.#server.off("error", reject);
          resolve();
        });
      });
      // Connecting takes the right to write.
      chmodSync(path, 0o600);
    });
    return control;
  }

  /** Lets the answers that are still due get through, but waits long neither for them nor for who does not read. */
  async close(): Promise<void> {
    this.#server.close();
    await within(CLOSE_MS, Promise.all(this.#answers));
    await within(CLOSE_MS, Promise.all([...this.#sockets].map(end)));
    for (const socket of this.#sockets) socket.destroy();
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => this.#sockets.delete(socket));
    readLines(socket, LONGEST_LINE, (line) => {
      const request = parseRequest(line);
      if (request === undefined) socket.destroy();
      else this.#begin(socket, request);
    });
  }

  #begin(socket: Socket, request: Request): void {
    const answer = this.#answer(socket, request).finally(() => this.#answers.delete(answer));
    this.#answers.add(answer);
  }

  async #answer(socket: Socket, { id, do: what, args }: Request): Promise<void> {
    const answer = await this.#handle(what, args).then(
      (value) => ({ ...value, id, ok: true }),
      (error: unknown) => ({ id, error: errorRecord(error) }),
    );
    if (!socket.writable) return;
    socket.write(`${JSON.stringify(answer)}\n`);
    if (socket.writableLength > MOST_UNREAD) socket.destroy();
  }

  async #handle(what: string, args: Arguments): Promise<Arguments> {
    const handler = Object.hasOwn(this.#handlers, what) ? this.#handlers[what] : undefined;
    if (handler !== undefined) return await handler(args);
    throw new CapstanError(`The supervisor of this instance does not know '${what}'`, {
      code: "unknown-request",
      hint: "It was started by another version of Capstan: stop and start the instance.",
      exitCode: ExitCode.unavailable,
    });
  }
}

function end(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.once("close", () => resolve());
    socket.end(() => resolve());
  });
}

async function within(milliseconds: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  await Promise.race([work, limit]);
  clearTimeout(timer);
}
