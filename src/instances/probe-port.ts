import { connect, type Socket } from "node:net";
import type { Forward } from "../hypervisors/machine.ts";
import { withQmp } from "../hypervisors/qemu/qmp.ts";
import { CapstanError, ExitCode } from "../support/errors.ts";
import { formatProbe, type Probe } from "./probe.ts";

export type PortProbe = Exclude<Probe, { kind: "log" }>;

/** How the guest's ports are reached. */
export interface ProbeTarget {
  readonly forwards: readonly Forward[];
  /** QEMU's monitor, which knows whether the guest has taken a connection. */
  readonly monitor?: string | undefined;
}

export interface ProbeResult {
  readonly ok: boolean;
  /** What was seen, as an end of the sentence "port 80 …". */
  readonly output: string;
}

export interface ProbeAttempt {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** Where on this machine the port is. @throws CapstanError `port-not-forwarded` (64) */
export function addressOf(probe: PortProbe, { forwards }: ProbeTarget): { host: string; port: number } {
  const forward = forwards.find(({ protocol, guestPort }) => protocol === "tcp" && guestPort === probe.port);
  if (forward === undefined) {
    throw new CapstanError(`${formatProbe(probe)} cannot be tried: port ${probe.port} of the guest is not forwarded`, {
      code: "port-not-forwarded",
      hint: `Forward it: -f :${probe.port}`,
      exitCode: ExitCode.usage,
    });
  }
  const { address, hostPort } = forward;
  const isAny = address === "" || address === "0.0.0.0";
  return { host: isAny ? "127.0.0.1" : address.replace(/^\[::\]$/, "::1").replace(/^\[|\]$/g, ""), port: hostPort };
}

/** Tries once. That nobody answers is a result and no error. @throws CapstanError `port-not-forwarded` (64) */
export async function tryPort(probe: PortProbe, target: ProbeTarget, attempt: ProbeAttempt): Promise<ProbeResult> {
  const address = addressOf(probe, target);
  let exchange: Exchange | undefined;
  let isOver = false;
  const stop = () => {
    isOver = true;
    exchange?.end("timeout");
  };
  const timer = setTimeout(stop, attempt.timeoutMs);
  attempt.signal?.addEventListener("abort", stop, { once: true });
  try {
    for (let patienceMs = FIRST_PATIENCE_MS; ; patienceMs *= 2) {
      const socket = connect({ ...address, allowHalfOpen: true });
      exchange = new Exchange(socket);
      if (isOver) exchange.end("timeout");
      try {
        const work = { exchange, target, patienceMs };
        const result = await (probe.kind === "http" ? tryHttp(probe, work) : tryTcp(probe, work));
        if (result !== undefined) return result;
      } finally {
        socket.destroy();
      }
    }
  } finally {
    clearTimeout(timer);
    attempt.signal?.removeEventListener("abort", stop);
  }
}

interface Work {
  readonly exchange: Exchange;
  readonly target: ProbeTarget;
  /** How long the guest may take to take the connection. */
  readonly patienceMs: number;
}

/**
 * What QEMU's network says to a guest whose own is not up yet is lost, and it says it again only after six seconds
 * (libslirp's tcp_timer.h: TCPTV_SRTTBASE and TCPTV_RTOBASE): a new connection is faster.
 */
const FIRST_PATIENCE_MS = 400;

/** Undefined when the connection was lost on its way to the guest. */
async function tryHttp(
  { path, port }: Extract<PortProbe, { kind: "http" }>,
  { exchange, target: { monitor }, patienceMs }: Work,
): Promise<ProbeResult | undefined> {
  exchange.send(
    `GET ${path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: capstan\r\nAccept: */*\r\nConnection: close\r\n\r\n`,
  );
  for (let limitMs: number | undefined = patienceMs; ; limitMs = undefined) {
    const status = /^HTTP\/1\.[01] (\d{3})[ \r\n]/.exec(exchange.received)?.[1];
    if (status !== undefined) return { ok: /^[23]/.test(status), output: `answered with the status ${status}` };
    if (exchange.received.length >= LONGEST_STATUS) return { ok: false, output: "does not speak HTTP" };
    const end = await exchange.more(limitMs);
    if (end === undefined) {
      const isSilent = limitMs !== undefined && exchange.received === "" && monitor !== undefined;
      if (isSilent && (await hasConnection(monitor, port)) === false && exchange.received === "") return undefined;
      continue;
    }
    if (exchange.received !== "") return { ok: false, output: "does not speak HTTP" };
    return { ok: false, output: end === "timeout" ? "did not answer in time" : "did not answer" };
  }
}

const LONGEST_STATUS = 64;

/**
 * QEMU's own network takes a connection before the guest has: one that the guest refuses is closed a moment later, and
 * one that it does not know of stays open. Undefined when the connection was lost on its way to the guest.
 */
async function tryTcp(
  { port }: PortProbe,
  { exchange, target: { monitor }, patienceMs }: Work,
): Promise<ProbeResult | undefined> {
  for (let waited = 0; ; waited += LOOK_MS) {
    const end = await exchange.more(LOOK_MS);
    if (exchange.received !== "") return { ok: true, output: "is open" };
    if (end === "timeout") return { ok: false, output: "did not answer in time" };
    if (end !== undefined) return { ok: false, output: "is closed" };
    const isTaken = monitor === undefined ? undefined : await hasConnection(monitor, port);
    if (isTaken ?? waited >= SETTLED_MS) return { ok: true, output: "is open" };
    if (isTaken === false && waited >= patienceMs) return undefined;
  }
}

const LOOK_MS = 100;
/** Without a monitor that tells: what is still open then counts as taken. */
const SETTLED_MS = 1000;

/** QEMU's table of connections has lines such as `TCP[ESTABLISHED]  21  127.0.0.1 28080  192.168.122.15  8080  0  0`. */
async function hasConnection(monitor: string, port: number): Promise<boolean | undefined> {
  try {
    const command = { "command-line": "info usernet" };
    const table = await withQmp(monitor, { timeoutMs: 2000 }, (qmp) => qmp.execute("human-monitor-command", command));
    if (typeof table !== "string" || !table.includes("HOST_FORWARD")) return undefined;
    return table.split("\n").some((line) => {
      const [state, , , , , guestPort] = line.trim().split(/\s+/);
      return state === "TCP[ESTABLISHED]" && guestPort === String(port);
    });
  } catch (error) {
    if (error instanceof CapstanError) return undefined;
    throw error;
  }
}

const MOST_RECEIVED = 1024;

/** A connection as a short exchange: what has come, and how it ended. */
class Exchange {
  readonly #socket: Socket;
  received = "";
  #end: "closed" | "timeout" | undefined;
  #wake = () => {};

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => {
      if (this.received.length < MOST_RECEIVED) this.received += chunk.toString("latin1");
      this.#wake();
    });
    for (const event of ["end", "error", "close"]) socket.on(event, () => this.end("closed"));
  }

  send(text: string): void {
    this.#socket.write(text);
  }

  end(how: "closed" | "timeout"): void {
    this.#end ??= how;
    this.#wake();
  }

  /** Waits for more, or for so long; returns how it ended, if it did. */
  async more(limitMs?: number): Promise<"closed" | "timeout" | undefined> {
    if (this.#end !== undefined) return this.#end;
    await new Promise<void>((resolve) => {
      const timer = limitMs === undefined ? undefined : setTimeout(resolve, limitMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = () => {};
    return this.#end;
  }
}
