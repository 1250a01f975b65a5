import type { Readable, Writable } from "node:stream";
import type { Context } from "../support/context.ts";
import type { ExitCode } from "../support/errors.ts";

/** What a command found or did. Only the edge prints it. */
export interface Answer {
  /** Printed as it is with --json. */
  readonly value: unknown;
  /** Printed to stdout otherwise; made only when it is needed. Without one, the command says nothing there. */
  readonly text?: () => string | AsyncIterable<Uint8Array>;
  /** Advice or warnings that come with a result: printed to stderr. */
  readonly exitCode?: ExitCode;
}

/** What only commands that talk to the terminal get: the guest's console goes through here. */
export interface Console {
  readonly input: Readable & { isTTY?: boolean; setRawMode?: (raw: boolean) => unknown };
  readonly output: Writable;
  /** stderr: where the guest's console goes when stdout is for something else. */
  readonly errorOutput: Writable;
  readonly columns: number;
  readonly stdoutIsTerminal: boolean;
}

export interface CommandContext extends Context {
  readonly console: Console;
  /** Takes over Ctrl-C until the returned function is called: what `run` does, so that the first one powers the guest off. */
  readonly onInterrupt: (handler: () => void) => () => void;
  /** Registers what must be done when the process ends all of a sudden; returns what takes it back. */
  readonly onExit: (handler: () => void) => () => void;
  readonly version: string;
  /** The folder of the installation: guest/prebuilt lies in it. */
  readonly installation: string;
}
