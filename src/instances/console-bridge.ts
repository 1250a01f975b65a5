import type { Readable, Writable } from "node:stream";
import type { QemuProcess } from "../hypervisors/qemu/process.ts";
import { END_OF_INPUT, EndOfInput } from "./console/end-of-input.ts";

/** The caller's side of the guest's console. */
export interface RunConsole {
  /** What goes to the guest; nothing does without it. Its end is told to a kernel that passes it on: see end-of-input.ts. */
  readonly input?: Readable | undefined;
  readonly output: Writable;
  /** Puts the terminal that `input` is into raw mode and returns what undoes it; undefined where it is none. */
  readonly rawMode?: (() => () => void) | undefined;
}

export interface BridgeInput {
  readonly guest: QemuProcess;
  readonly console: RunConsole;
  readonly onOutput: (chunk: Buffer) => void;
  /** Ctrl-C came as a byte, since the terminal is in raw mode. */
  readonly onInterrupt: () => void;
  /** Nobody reads the output any more. */
  readonly onLost: () => void;
  /** The input has ended, and the guest's program cannot know, as its kernel has no end of input. */
  readonly onUntoldEnd?: (() => void) | undefined;
}

const CTRL_C = 0x03;
/** What is kept of the input until the guest listens. */
const MOST_EARLY_INPUT = 64 * 1024;

export interface Bridge {
  /** Resolves when the caller's stream has taken all that the guest said. */
  flush(): Promise<void>;
  /** Stops waiting for a reader that takes nothing; what it has not taken is lost. */
  abandon(): void;
  /** Undoes all that was done to the streams and the terminal. */
  close(): void;
}

/** Joins the guest's console with the caller's streams, byte for byte and no faster than the reader. */
export function bridgeConsole(input: BridgeInput): Bridge {
  const restoreTerminal = input.console.rawMode?.();
  const output = bridgeOutput(input);
  const closeInput = bridgeInput(input, restoreTerminal !== undefined);
  return {
    ...output,
    close: () => {
      closeInput();
      output.close();
      restoreTerminal?.();
    },
  };
}

function bridgeOutput({ guest, console: { output }, onOutput, onLost }: BridgeInput): Bridge {
  let lost = false;
  let letGo = () => {};
  const gone = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const abandon = () => {
    lost = true;
    // The guest's output is read to its end all the same, so that its end is seen.
    guest.output.resume();
    letGo();
  };
  const onData = (chunk: Buffer) => {
    onOutput(chunk);
    if (!lost && !output.write(chunk)) guest.output.pause();
  };
  const onDrain = () => guest.output.resume();
  const onError = () => {
    if (lost) return;
    abandon();
    onLost();
  };
  guest.output.on("data", onData);
  output.on("drain", onDrain);
  output.on("error", onError);
  output.on("close", onError);
  return {
    flush: () => (lost ? gone : Promise.race([gone, taken(output)])),
    abandon,
    close: () => {
      lost = true;
      guest.output.off("data", onData);
      output.off("drain", onDrain);
      output.off("close", onError);
      // An error of what is still being written arrives later, and must find a listener.
      setImmediate(() => output.off("error", onError));
    },
  };
}

function taken(output: Writable): Promise<void> {
  return new Promise((resolve) => {
    output.write("", () => resolve());
  });
}

/**
 * A guest's serial port drops what comes before its driver is there: input waits for the first output.
 * In raw mode a Ctrl-C is a byte like others; it is taken out and never reaches the guest.
 */
function bridgeInput({ guest, console, onInterrupt, onUntoldEnd }: BridgeInput, raw: boolean): () => void {
  const { input } = console;
  if (input === undefined) return () => {};
  let early: Buffer[] | undefined = [];
  let earlyLength = 0;

  const pass = (bytes: Buffer) => {
    if (guest.input.writable && !guest.input.write(bytes)) input.pause();
  };
  const keep = (bytes: Buffer) => {
    early?.push(bytes);
    earlyLength += bytes.length;
    if (earlyLength >= MOST_EARLY_INPUT && !raw) input.pause();
  };
  const onData = (chunk: Buffer | string) => {
    const bytes = typeof chunk === "string" ? Buffer.from(chunk) : chunk;
    const kept = raw ? withoutInterrupts(bytes, onInterrupt) : bytes;
    if (kept.length === 0) return;
    if (early === undefined) pass(kept);
    else keep(Buffer.from(kept));
  };
  const onFirstOutput = () => {
    const waiting = early ?? [];
    early = undefined;
    input.resume();
    for (const bytes of waiting) pass(bytes);
  };
  const onDrain = () => input.resume();

  // A terminal that goes away is told by a signal, and a broken pipe is the end of the input.
  const onError = () => {};
  input.on("data", onData);
  input.on("error", onError);
  guest.input.on("drain", onDrain);
  guest.output.once("data", onFirstOutput);
  // After that one: what was kept goes first.
  const end = new EndOfInput({ guest, tell: () => pass(END_OF_INPUT), onUntold: () => onUntoldEnd?.() });
  const onEnd = () => end.reached();
  input.on("end", onEnd);
  // As for a guest that is started again.
  if (input.readableEnded) onEnd();
  return () => {
    end.close();
    input.off("data", onData);
    input.off("end", onEnd);
    input.off("error", onError);
    guest.input.off("drain", onDrain);
    guest.output.off("data", onFirstOutput);
    input.pause();
  };
}

function withoutInterrupts(bytes: Buffer, onInterrupt: () => void): Buffer {
  if (!bytes.includes(CTRL_C)) return bytes;
  for (const byte of bytes) if (byte === CTRL_C) onInterrupt();
  return bytes.filter((byte) => byte !== CTRL_C) as Buffer;
}
