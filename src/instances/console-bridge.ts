import type { Readable, Writable } from "node:stream";
import type { QemuProcess } from "../hypervisors/qemu/process.ts";

/** The caller's side of the guest's console. */
export interface RunConsole {
  /** What goes to the guest; nothing does without it. Its end does not end the guest. */
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
}

const CTRL_C = 0x03;
/** What is kept of the input until the guest listens. */
const MOST_EARLY_INPUT = 64 * 1024;

/** Joins the guest's console with the caller's streams, byte for byte and no faster than the reader; returns what undoes it. */
export function bridgeConsole(bridge: BridgeInput): () => void {
  const restoreTerminal = bridge.console.rawMode?.();
  const closeOutput = bridgeOutput(bridge);
  const closeInput = bridgeInput(bridge, restoreTerminal !== undefined);
  return () => {
    closeInput();
    closeOutput();
    restoreTerminal?.();
  };
}

function bridgeOutput({ guest, console, onOutput, onLost }: BridgeInput): () => void {
  let lost = false;
  const onData = (chunk: Buffer) => {
    onOutput(chunk);
    if (!lost && !console.output.write(chunk)) guest.output.pause();
  };
  const onDrain = () => guest.output.resume();
  const onError = () => {
    if (lost) return;
    lost = true;
    // The guest's output is read to its end all the same, so that its end is seen.
    guest.output.resume();
    onLost();
  };
  guest.output.on("data", onData);
  console.output.on("drain", onDrain);
  console.output.on("error", onError);
  console.output.on("close", onError);
  return () => {
    guest.output.off("data", onData);
    console.output.off("drain", onDrain);
    console.output.off("close", onError);
    // An error of what is still being written arrives later, and must find a listener.
    if (!lost) setImmediate(() => console.output.off("error", onError));
  };
}

/**
 * A guest's serial port drops what comes before its driver is there: input waits for the first output.
 * In raw mode a Ctrl-C is a byte like others; it is taken out and never reaches the guest.
 */
function bridgeInput({ guest, console, onInterrupt }: BridgeInput, raw: boolean): () => void {
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
  return () => {
    input.off("data", onData);
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
