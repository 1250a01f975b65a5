import { connect, type Socket } from "node:net";
import { CapstanError, ExitCode } from "../../support/errors.ts";
import { isHeld, type Lock } from "../lock.ts";
import { readLines } from "../network/hub/lines.ts";
import { isAlive } from "../process-identity.ts";
import { type Arguments, INPUT_PIECE, LONGEST_LINE, parseAnswer } from "./protocol.ts";

interface Waiting {
  readonly resolve: (value: Arguments) => void;
  readonly reject: (error: CapstanError) => void;
}

/** A connection to the supervisor of an instance. When it is lost, what waits for an answer fails with `supervisor-gone`. */
export interface ControlClient {
  /** See protocol.ts. Waits as long as it takes. */
  request(what: string, args?: Arguments): Promise<Arguments>;
  /** For the guest's console, in the order of the calls; resolves when QEMU has taken it. */
  sendInput(bytes: Buffer): Promise<void>;
  close(): void;
}

/**
 * Connects to the supervisor that owns the instance; undefined when there is none that answers: it was killed, or is an
 * older one, and QEMU is to be spoken to directly.
 */
export async function findControl(lock: Lock): Promise<ControlClient | undefined> {
  const { owner } = lock;
  if (owner?.control === undefined || !isAlive(owner.capstan)) return undefined;
  return await Client.connect(owner.control).catch(() => undefined);
}

/** The same where nothing else will do. @throws CapstanError `not-running` (73), `supervisor-gone` (69) */
export async function openControl(lock: Lock): Promise<ControlClient> {
  const client = await findControl(lock);
  if (client !== undefined) return client;
  if (isHeld(lock)) throw gone();
  throw new CapstanError("The instance is not running", {
    code: "not-running",
    hint: "Start it first: capstan start NAME",
    exitCode: ExitCode.cannotCreate,
  });
}

const CONNECT_MS = 5000;

class Client implements ControlClient {
  readonly #socket: Socket;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #isOver = false;
  #input: Promise<unknown> = Promise.resolve();

  static connect(path: string): Promise<Client> {
    return new Promise((resolve, reject) => {
      const socket = connect(path);
      const timer = setTimeout(() => socket.destroy(gone()), CONNECT_MS);
      socket.once("error", reject);
      socket.once("connect", () => {
        clearTimeout(timer);
        socket.off("error", reject);
        resolve(new Client(socket));
      });
      socket.once("close", () => clearTimeout(timer));
    });
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("error", () => {});
    socket.on("close", () => this.#end());
    readLines(socket, LONGEST_LINE, (line) => this.#take(line));
  }

  request(what: string, args: Arguments = {}): Promise<Arguments> {
    if (this.#isOver) return Promise.reject(gone());
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#socket.write(`${JSON.stringify({ ...args, id, do: what })}\n`);
    });
  }

  sendInput(bytes: Buffer): Promise<void> {
    const sent = this.#input.then(async () => {
      for (let at = 0; at < bytes.length; at += INPUT_PIECE) {
        await this.request("input", { data: bytes.subarray(at, at + INPUT_PIECE).toString("base64") });
      }
    });
    this.#input = sent.catch(() => {});
    return sent;
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(line: string): void {
    const answer = parseAnswer(line);
    if (answer === undefined) {
      this.#socket.destroy();
      return;
    }
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (answer.ok) waiting?.resolve(answer.value);
    else waiting?.reject(answer.error);
  }

  #end(): void {
    this.#isOver = true;
    for (const { reject } of this.#waiting.values()) reject(gone());
    this.#waiting.clear();
  }
}

function gone(): CapstanError {
  return new CapstanError("The supervisor of the instance does not answer", {
    code: "supervisor-gone",
    hint: "The guest may go on without it: see capstan instances. Stop and start it to have its console again.",
    exitCode: ExitCode.unavailable,
  });
}
