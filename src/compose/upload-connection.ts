import { createConnection, type Socket } from "node:net";
import { type CapstanError, checkAborted, InterruptedError } from "../support/errors.ts";
import {
  connectionCut,
  connectionRefused,
  connectionStalled,
  isNobodyYet,
  notCpiod,
  type UploadTarget,
} from "./upload-errors.ts";

/** A connection that only sends, and whose other side shows by its end that it is done. */
export interface UploadConnection {
  /** Resolves when `chunk` is the caller's again, and the other side keeps up. */
  write(chunk: Uint8Array): Promise<void>;
  /** Waits until the other side, which has got all, ends the connection. */
  finish(): Promise<void>;
  /** What has ended it, if anything has. */
  readonly failure: CapstanError | undefined;
  /** How many bytes have been handed to the system. */
  readonly sent: number;
  close(): void;
}

export async function connectUpload(target: UploadTarget, signal: AbortSignal): Promise<UploadConnection> {
  checkAborted(signal);
  const socket = createConnection({ host: target.host, port: target.port, noDelay: true });
  const connection = new Connection(socket, target, signal);
  await connection.opened();
  return connection;
}

type Stage = "connecting" | "sending" | "finishing" | "done";

class Connection implements UploadConnection {
  readonly #socket: Socket;
  readonly #target: UploadTarget;
  readonly #signal: AbortSignal;
  readonly #waiting = new Set<() => void>();
  #stage: Stage = "connecting";
  failure: CapstanError | undefined;
  sent = 0;

  constructor(socket: Socket, target: UploadTarget, signal: AbortSignal) {
    this.#socket = socket;
    this.#target = target;
    this.#signal = signal;
    socket.setTimeout(target.idleMs, () => this.#fail(connectionStalled(target, this.#stage === "finishing")));
    socket.on("error", (error) => this.#fail(this.#explain(error)));
    socket.on("data", (said) => this.#fail(notCpiod(target, said)));
    socket.on("end", () => this.#ended());
    socket.on("close", () => this.#ended());
    socket.on("connect", () => this.#move("sending"));
    signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  async opened(): Promise<void> {
    await this.#until(() => this.#stage !== "connecting");
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    let isTaken = false;
    this.#socket.write(chunk, () => {
      isTaken = true;
      this.#wake();
    });
    await this.#until(() => isTaken);
    this.sent += chunk.length;
  }

  async finish(): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    // The trailer tells the other side that this was all. To close our half too would end both behind a simple forwarder.
    this.#move("finishing");
    await this.#until(() => this.#stage === "done");
  }

  close(): void {
    this.#signal.removeEventListener("abort", this.#onAbort);
    this.#socket.destroy();
  }

  readonly #onAbort = () => {
    const { reason } = this.#signal;
    this.#fail(reason instanceof InterruptedError ? reason : new InterruptedError());
  };

  #ended(): void {
    if (this.#stage === "finishing") this.#move("done");
    else if (this.#stage !== "done") this.#fail(connectionCut(this.#target, this.sent, false));
  }

  #explain(error: NodeJS.ErrnoException): CapstanError {
    return this.#stage === "connecting"
      ? connectionRefused(this.#target, error)
      : connectionCut(this.#target, this.sent, this.#stage === "finishing");
  }

  /** What the other side said explains more than that it then went away. */
  #fail(error: CapstanError): void {
    if (this.failure === undefined || isNobodyYet(this.failure)) this.failure = error;
    this.#socket.destroy();
    this.#wake();
  }

  #move(stage: Stage): void {
    this.#stage = stage;
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
  }

  async #until(condition: () => boolean): Promise<void> {
    while (this.failure === undefined && !condition()) {
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.#waiting.delete(wake);
          resolve();
        };
        this.#waiting.add(wake);
      });
    }
    if (this.failure !== undefined) throw this.failure;
  }
}
