import { connect, type Socket } from "node:net";
import { CapstanError, ExitCode } from "../../support/errors.ts";
import { type QmpMessage, QmpReader } from "./qmp-messages.ts";

export interface QmpOptions {
  /** How long to wait for the greeting, and for each answer. QEMU serves one client at a time. */
  readonly timeoutMs?: number;
  readonly onEvent?: (name: string, data: unknown) => void;
}

/** Runs `work` with a client of the monitor at `path`, and hangs up afterwards, so that others get their turn. */
export async function withQmp<T>(path: string, options: QmpOptions, work: (qmp: QmpClient) => Promise<T>): Promise<T> {
  const client = await QmpClient.connect(path, options);
  try {
    return await work(client);
  } finally {
    client.close();
  }
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/**
 * A client of QEMU's machine protocol over a unix socket.
 * Every failure is a CapstanError: `qmp-unreachable`, `qmp-closed`, `qmp-timeout`, `qmp-bad-answer`, `qmp-refused`.
 */
export class QmpClient {
  readonly #socket: Socket;
  readonly #reader = new QmpReader();
  readonly #waiting = new Map<string, Waiting>();
  readonly #timeoutMs: number;
  readonly #onEvent: (name: string, data: unknown) => void;
  #lastId = 0;
  #failure: CapstanError | undefined;

  static async connect(path: string, options: QmpOptions = {}): Promise<QmpClient> {
    const client = new QmpClient(connect(path), options);
    try {
      await client.#answer(GREETING, "its greeting");
      await client.execute("qmp_capabilities");
      return client;
    } catch (error) {
      client.close();
      throw error;
    }
  }

  private constructor(socket: Socket, { timeoutMs = 5000, onEvent = () => {} }: QmpOptions) {
    this.#socket = socket;
    this.#timeoutMs = timeoutMs;
    this.#onEvent = onEvent;
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.on("error", (error) => this.#fail(problem("unreachable", `cannot be reached (${error.message})`, error)));
    socket.on("close", () => this.#fail(problem("closed", "hung up")));
  }

  /** Sends a command and returns QEMU's answer to it. */
  execute(command: string, args?: Readonly<Record<string, unknown>>): Promise<unknown> {
    const id = `capstan-${++this.#lastId}`;
    const answer = this.#answer(id, `an answer to ${command}`);
    if (this.#failure === undefined) {
      this.#socket.write(`${JSON.stringify({ execute: command, ...(args && { arguments: args }), id })}\r\n`);
    }
    return answer;
  }

  close(): void {
    this.#socket.destroy();
    this.#fail(problem("closed", "was hung up on"));
  }

  #answer(id: string, what: string): Promise<unknown> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(problem("timeout", `did not send ${what} within ${this.#timeoutMs / 1000} s`));
      }, this.#timeoutMs);
      const settle = <A>(end: (value: A) => void) => {
        return (value: A) => {
          clearTimeout(timer);
          this.#waiting.delete(id);
          end(value);
        };
      };
      this.#waiting.set(id, { resolve: settle(resolve), reject: settle(reject) });
    });
  }

  #receive(chunk: Buffer): void {
    if (this.#failure !== undefined) return;
    try {
      for (const message of this.#reader.push(chunk)) this.#take(message);
    } catch (error) {
      if (!(error instanceof CapstanError)) throw error;
      this.#fail(error);
      this.#socket.destroy();
    }
  }

  #take(message: QmpMessage): void {
    switch (message.kind) {
      case "greeting":
        this.#waiting.get(GREETING)?.resolve(undefined);
        break;
      case "event":
        this.#onEvent(message.name, message.data);
        break;
      case "return":
        this.#waiting.get(String(message.id))?.resolve(message.value);
        break;
      case "error":
        this.#waiting.get(String(message.id))?.reject(problem("refused", `refused: ${message.description}`));
        break;
    }
  }

  #fail(error: CapstanError): void {
    this.#failure ??= error;
    for (const { reject } of [...this.#waiting.values()]) reject(error);
  }
}

const GREETING = "greeting";

function problem(kind: string, what: string, cause?: unknown): CapstanError {
  return new CapstanError(`QEMU's monitor ${what}`, {
    code: `qmp-${kind}`,
    hint: "Check whether the virtual machine is still running: capstan instances",
    exitCode: ExitCode.unavailable,
    cause,
  });
}
