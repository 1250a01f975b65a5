import type { Readable, Writable } from "node:stream";
import type { RunConsole } from "../console-bridge.ts";
import { DetachKeys } from "./detach-keys.ts";
import { END_OF_INPUT, takesEndOfInput } from "./end-of-input.ts";
import { readLog } from "./log-reader.ts";

/** What takes the guest's input: the control socket of its supervisor. */
export interface InputTaker {
  /** In the order of the calls; resolves when more may come. */
  readonly sendInput: (bytes: Buffer) => Promise<unknown>;
}

export interface AttachInput {
  /** The instance's. */
  readonly folder: string;
  readonly console: RunConsole;
  /** Undefined: only the output is shown. */
  readonly taker?: InputTaker | undefined;
  /** As parseDetachKeys returns them; they count where the input is a terminal. */
  readonly detachKeys: Buffer;
  /** How many of the last lines to show at first. */
  readonly tail: number;
  /** Whether the guest is no longer there. */
  readonly isOver: () => boolean;
  readonly signal: AbortSignal;
  /** Input is lost from now on. */
  readonly onInputFailure: (error: unknown) => void;
}

/** Why it came to an end: the guest goes on unless it `ended`. */
export type AttachEnd = "ended" | "detached" | "reader-gone" | "aborted";

/** Joins a running guest's console with the caller's streams; any number may at the same time. */
export async function attach(input: AttachInput): Promise<AttachEnd> {
  const { console, signal, taker } = input;
  const leaving = new Leaving(signal);
  const restoreTerminal = taker === undefined ? undefined : console.rawMode?.();
  const stopInput = taker === undefined ? () => {} : passInput(input, leaving, restoreTerminal !== undefined);
  const onGone = () => leaving.leave("reader-gone");
  console.output.on("error", onGone);
  console.output.on("close", onGone);
  try {
    for await (const chunk of readLog({ ...input, follow: true, signal: leaving.signal })) {
      await Promise.race([write(console.output, chunk), leaving.left]);
      if (leaving.reason !== undefined) break;
    }
    return leaving.reason ?? "ended";
  } finally {
    stopInput();
    restoreTerminal?.();
    leaving.close();
    console.output.off("close", onGone);
    setImmediate(() => console.output.off("error", onGone));
  }
}

function passInput(input: AttachInput, leaving: Leaving, raw: boolean): () => void {
  const { console, detachKeys, folder, onInputFailure, taker } = input;
  const source: Readable | undefined = console.input;
  if (source === undefined || taker === undefined) return () => {};
  const keys = raw ? new DetachKeys(detachKeys) : undefined;
  let isOver = false;
  const send = (bytes: Buffer) => {
    if (isOver || bytes.length === 0) return;
    source.pause();
    taker.sendInput(bytes).then(
      () => {
        if (!isOver) source.resume();
      },
      (error: unknown) => {
        if (!isOver) onInputFailure(error);
        isOver = true;
      },
    );
  };
  const onData = (chunk: Buffer | string) => {
    const bytes = typeof chunk === "string" ? Buffer.from(chunk) : chunk;
    send(keys === undefined ? bytes : keys.push(bytes));
    if (keys?.detached) leaving.leave("detached");
  };
  const onEnd = () => {
    takesEndOfInput(folder).then(
      (takes) => takes && send(END_OF_INPUT),
      () => {},
    );
  };
  const onError = () => {};
  source.on("data", onData);
  source.on("end", onEnd);
  source.on("error", onError);
  return () => {
    isOver = true;
    source.off("data", onData);
    source.off("end", onEnd);
    source.off("error", onError);
    source.pause();
  };
}

/** Resolves when the stream may be given more; never fails, as its error is told by an event. */
function write(output: Writable, chunk: Buffer): Promise<void> {
  return new Promise((resolve) => {
    output.write(chunk, () => resolve());
  });
}

class Leaving {
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal;
  readonly #onAbort = () => this.leave("aborted");
  reason: Exclude<AttachEnd, "ended"> | undefined;
  /** Resolves when it is time to leave. */
  readonly left: Promise<void>;
  #resolve = () => {};

  constructor(outer: AbortSignal) {
    this.#outer = outer;
    this.left = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    outer.addEventListener("abort", this.#onAbort);
    if (outer.aborted) this.#onAbort();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  leave(reason: Exclude<AttachEnd, "ended">): void {
    this.reason ??= reason;
    this.#resolve();
    this.#controller.abort();
  }

  close(): void {
    this.#outer.removeEventListener("abort", this.#onAbort);
  }
}
