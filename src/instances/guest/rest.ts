import { request as httpRequest, type IncomingMessage, type RequestOptions } from "node:http";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { MiB } from "../../support/bytes.ts";
import { CapstanError, checkAborted, ExitCode } from "../../support/errors.ts";

/** Where the REST server of a guest is reached from this machine. */
export interface GuestAddress {
  /** The instance's, for messages. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
}

const SILENCE_MS = 15_000;
const LARGEST_ANSWER = 16 * MiB;
/** `100 Continue` and the like, before one answer. */
const MOST_ANNOUNCEMENTS = 16;
const LONGEST_REASON = 500;

/** The REST server has understood, and does not do it. */
export class GuestRefusal extends CapstanError {
  /** Of HTTP. */
  readonly status: number;

  constructor(message: string, status: number) {
    const hint = status === 404 ? "Check the path, and that the image's REST server has this part." : undefined;
    super(message, { code: "guest-refused", hint });
    this.status = status;
  }
}

/**
 * OSv's REST server (modules/httpserver-api of OSv): answers are JSON, files come as they are.
 * @throws CapstanError `guest-unreachable` (69), `guest-refused` (65), `guest-answer` (65)
 */
export class GuestRest {
  readonly #address: GuestAddress;
  readonly #signal: AbortSignal;

  constructor(address: GuestAddress, signal: AbortSignal) {
    this.#address = address;
    this.#signal = signal;
  }

  async json(path: string): Promise<unknown> {
    const text = await this.#text(await this.#send({ method: "GET", path }));
    try {
      return JSON.parse(text);
    } catch {
      throw this.#badAnswer(`${path} gave no JSON`);
    }
  }

  /** Something without an answer worth reading. */
  async put(method: "PUT" | "POST" | "DELETE", path: string): Promise<void> {
    await this.#text(await this.#send({ method, path }));
  }

  /** The bytes of a file. The stream fails with a CapstanError when the connection is cut. */
  async open(path: string): Promise<IncomingMessage> {
    return await this.#send({ method: "GET", path });
  }

  /** Sends a file of `size` bytes as the only part of a form. */
  async upload(path: string, { size, body }: { size: number; body: Readable }): Promise<void> {
    const boundary = "----capstan-file-follows";
    const head = Buffer.from(
      `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="file"\r\n` +
        "Content-Type: application/octet-stream\r\n\r\n",
    );
    const tail = Buffer.from(`\r\n--${boundary}--\r\n`);
    const headers = {
      "Content-Type": `multipart/form-data; boundary=${boundary}`,
      "Content-Length": head.length + size + tail.length,
    };
    async function* parts() {
      yield head;
      yield* body;
      yield tail;
    }
    await this.#text(await this.#send({ method: "POST", path, headers }, parts()));
  }

  async #send(options: RequestOptions, body?: AsyncIterable<Buffer>): Promise<IncomingMessage> {
    checkAborted(this.#signal);
    const { host, port } = this.#address;
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const request = httpRequest({ ...options, host, port, agent: false, signal: this.#signal, timeout: SILENCE_MS });
      request.once("response", resolve);
      // Node.js leaves such a connection to whoever takes it, and says no more of the request.
      request.once("upgrade", (_answer, socket) => {
        socket.destroy();
        reject(this.#badAnswer("it changes to another protocol"));
      });
      let announcements = 0;
      request.on("information", () => {
        if (++announcements > MOST_ANNOUNCEMENTS) request.destroy(new Error("it announces an answer again and again"));
      });
      request.once("error", (error) => reject(this.#unreachable(error)));
      request.once("timeout", () => request.destroy(new Error(`it was silent for ${SILENCE_MS / 1000} seconds`)));
      if (body === undefined) request.end();
      else pipeline(body, request).catch((error: unknown) => reject(this.#unreachable(error)));
    });
    const { statusCode = 0 } = response;
    if (statusCode >= 200 && statusCode < 300) return response;
    const text = await this.#text(response);
    throw new GuestRefusal(
      `${this.#address.name} refuses ${options.method} ${options.path}: ${reasonIn(text) ?? statusCode}`,
      statusCode,
    );
  }

  async #text(response: IncomingMessage): Promise<string> {
    const chunks: Buffer[] = [];
    let length = 0;
    try {
      for await (const chunk of response as AsyncIterable<Buffer>) {
        length += chunk.length;
        if (length > LARGEST_ANSWER) throw this.#badAnswer("it is larger than any answer should be");
        chunks.push(chunk);
      }
    } catch (error) {
      throw error instanceof CapstanError ? error : this.#unreachable(error);
    }
    return Buffer.concat(chunks).toString("utf8");
  }

  /** Returns in any case, as it is called in listeners: what they throw ends the process. */
  #unreachable(error: unknown): CapstanError {
    try {
      checkAborted(this.#signal);
    } catch (interrupted) {
      if (interrupted instanceof CapstanError) return interrupted;
    }
    const { name, port } = this.#address;
    const why = error instanceof Error ? error.message : String(error);
    return new CapstanError(`The REST server of ${name} does not answer on port ${port} of this machine: ${why}`, {
      code: "guest-unreachable",
      hint: "The image needs OSv's REST server: require the package osv.httpserver-api and start it, and wait until it listens.",
      exitCode: ExitCode.unavailable,
      cause: error,
    });
  }

  #badAnswer(why: string): CapstanError {
    return new CapstanError(`The REST server of ${this.#address.name} answers in a way that cannot be read: ${why}`, {
      code: "guest-answer",
      hint: `Check that it is OSv's REST server that listens on port ${this.#address.port}.`,
    });
  }
}

/** OSv's errors are `{"message": "…", "code": 404}`. */
function reasonIn(text: string): string | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    const message = typeof parsed === "object" && parsed !== null && "message" in parsed ? parsed.message : undefined;
    return typeof message === "string" ? message.slice(0, LONGEST_REASON) : undefined;
  } catch {
    return undefined;
  }
}
