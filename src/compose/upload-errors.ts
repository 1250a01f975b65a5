import { MiB } from "../support/bytes.ts";
import { CapstanError, ExitCode } from "../support/errors.ts";

/** Where an upload goes, and how long to be patient. */
export interface UploadTarget {
  /** A name or an address. */
  readonly host: string;
  readonly port: number;
  /** How long to try again while nobody listens; 0 for one try. */
  readonly waitMs: number;
  /** How long the other side may do nothing. */
  readonly idleMs: number;
}

/**
 * The other side cannot have taken anything: nobody listens, or what forwards the port (QEMU's user network takes every
 * connection) found nobody behind it.
 */
class NobodyYet extends CapstanError {}

export function isNobodyYet(error: unknown): error is CapstanError {
  return error instanceof NobodyYet;
}

/** What the sockets on the way may have swallowed of an upload that nobody took. */
const SWALLOWED = 8 * MiB;

export function connectionRefused({ host, port }: UploadTarget, error: NodeJS.ErrnoException): CapstanError {
  const why = REASONS[error.code ?? ""] ?? error.message;
  const Kind = error.code === "ECONNREFUSED" || error.code === "ECONNRESET" ? NobodyYet : CapstanError;
  return new Kind(`There is no connection to ${host}:${port}: ${why}`, {
    code: "upload-refused",
    hint: `In the guest /tools/cpiod.so must run (it waits on port 10000), and the port must be reachable, such as by \`capstan run -f ${port}:10000\`.`,
    exitCode: ExitCode.unavailable,
    cause: error,
  });
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there",
  ECONNRESET: "it was closed at once",
  ENOTFOUND: "there is no such host",
  EAI_AGAIN: "the name cannot be looked up now",
  EHOSTUNREACH: "the host cannot be reached",
  ENETUNREACH: "the network cannot be reached",
  ETIMEDOUT: "nothing answers",
};

export function connectionCut({ host, port }: UploadTarget, sent: number, isComplete: boolean): CapstanError {
  const Kind = sent < SWALLOWED && !isComplete ? NobodyYet : CapstanError;
  const when = isComplete ? "before it had confirmed that all was written" : `after ${sent} bytes had been sent`;
  return new Kind(`${host}:${port} broke the connection ${when}`, {
    code: "upload-cut",
    hint: "Look at the guest's console: nothing may listen on that port in the guest, or its disk may be full.",
    exitCode: ExitCode.unavailable,
  });
}

export function connectionStalled({ host, port, idleMs }: UploadTarget, isComplete: boolean): CapstanError {
  const what = isComplete ? "has not confirmed that all was written" : "has taken nothing more";
  return new CapstanError(`${host}:${port} ${what} for ${Math.round(idleMs / 1000)} seconds`, {
    code: "upload-stalled",
    hint: "Look at the guest's console. cpiod stops at a link that is there already, at a full disk, and where it may not write; a slow guest needs a longer --timeout.",
    exitCode: ExitCode.unavailable,
  });
}

export function notCpiod({ host, port }: UploadTarget, said: Uint8Array): CapstanError {
  const line =
    Buffer.from(said)
      .toString("latin1")
      .split(/[\r\n]/, 1)[0] ?? "";
  const shown = line.slice(0, 80).replace(/[^\x20-\x7e]/g, "?");
  return new CapstanError(`${host}:${port} is not OSv's cpiod, which says nothing: it said '${shown}'`, {
    code: "upload-not-cpiod",
    hint: "Check the port: --port.",
    exitCode: ExitCode.unavailable,
  });
}
