import { explainFailure, isFailure } from "../hypervisors/qemu/failures.ts";
import type { QemuProcess } from "../hypervisors/qemu/process.ts";
import type { Context } from "../support/context.ts";
import { CapstanError, ExitCode } from "../support/errors.ts";
import { bridgeConsole, type RunConsole } from "./console-bridge.ts";
import { type ConsoleFindings, ConsoleWatch } from "./console-watch.ts";
import { endProcess, pressPowerButton } from "./power.ts";

export interface SuperviseInput {
  readonly guest: QemuProcess;
  readonly monitor: string;
  readonly console: RunConsole;
  readonly commandLine: string;
  /** Tells of each Ctrl-C that comes as a signal, until the returned function is called. */
  readonly onInterrupt?: ((handler: () => void) => () => void) | undefined;
  /** Called when the guest says something for the first time. */
  readonly onLife?: (() => void) | undefined;
}

/** Why the guest is no longer there. */
export type End =
  /** It powered off, by itself or asked by another process. */
  | "guest"
  /** The user's Ctrl-C: it powered off, or was ended. */
  | "interrupted"
  /** SIGTERM or SIGHUP. */
  | "terminated"
  /** Its kernel had given up and stood still. */
  | "halted";

export interface Supervised {
  readonly end: End;
  readonly findings: ConsoleFindings;
  /** Milliseconds since 1970. */
  readonly firstByte: number | undefined;
}

/** How long a kernel that has given up must be silent. */
const HALT_SILENCE_MS = 2000;
/** What a guest gets to power off in after SIGTERM. */
const TERMINATE_GRACE_MS = 5000;

/**
 * Stays with a guest until it has ended: passes the console on, reads it, and ends the guest when told to.
 * @throws CapstanError when QEMU itself failed
 */
export async function supervise(input: SuperviseInput, context: Context): Promise<Supervised> {
  const { guest } = input;
  const watch = new ConsoleWatch({ commandLine: input.commandLine });
  const ender = new Ender(input, context);
  let firstByte: number | undefined;
  let silence: NodeJS.Timeout | undefined;

  const onOutput = (chunk: Buffer) => {
    if (firstByte === undefined) {
      firstByte = context.now().getTime();
      input.onLife?.();
    }
    watch.push(chunk);
    if (!watch.fatalHalt) return;
    clearTimeout(silence);
    silence = setTimeout(() => ender.end("halted"), HALT_SILENCE_MS);
  };
  const bridge = bridgeConsole({
    guest,
    console: input.console,
    onOutput,
    onInterrupt: () => ender.interrupt(),
    onLost: () => ender.end("interrupted"),
  });
  ender.onForced = () => bridge.abandon();
  const stopListening = listenForStops(input, context, ender);
  try {
    const exit = await guest.exited;
    await bridge.flush();
    if (isFailure(exit) && ender.reason === undefined) throw explainFailure(exit);
    return { end: ender.reason ?? "guest", findings: watch.finish(), firstByte };
  } finally {
    clearTimeout(silence);
    stopListening();
    bridge.close();
    ender.close();
  }
}

function listenForStops(input: SuperviseInput, { signal }: Context, ender: Ender): () => void {
  const onAbort = () => (isTermination(signal) ? ender.terminate() : ender.interrupt());
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  const release = input.onInterrupt?.(() => ender.interrupt());
  return () => {
    signal.removeEventListener("abort", onAbort);
    release?.();
  };
}

function isTermination({ reason }: AbortSignal): boolean {
  return reason instanceof CapstanError && reason.exitCode === ExitCode.terminated;
}

/** Ends the guest, politely first. */
class Ender {
  readonly #input: SuperviseInput;
  readonly #context: Context;
  #grace: NodeJS.Timeout | undefined;
  #ending = false;
  reason: End | undefined;
  /** Called when the user waits no longer. */
  onForced = () => {};

  constructor(input: SuperviseInput, context: Context) {
    this.#input = input;
    this.#context = context;
  }

  /** The first one asks the guest to power off, the second one ends it. */
  interrupt(): void {
    if (this.reason !== undefined) {
      this.#force();
      return;
    }
    this.reason = "interrupted";
    this.#tell("Asking the guest to power off; Ctrl-C once more ends it at once");
    this.#pressButton();
  }

  terminate(): void {
    if (this.reason !== undefined) {
      this.#force();
      return;
    }
    this.reason = "terminated";
    this.#pressButton();
    this.#grace = setTimeout(() => this.#force(), TERMINATE_GRACE_MS);
  }

  end(reason: End): void {
    this.reason ??= reason;
    if (this.#ending) return;
    this.#ending = true;
    endProcess(this.#input.guest).catch((error: unknown) => this.#tell(`Ending QEMU failed: ${error}`));
  }

  close(): void {
    clearTimeout(this.#grace);
  }

  #force(): void {
    this.end("interrupted");
    this.onForced();
  }

  #pressButton(): void {
    const { guest, monitor } = this.#input;
    pressPowerButton(monitor, guest.hasExited).catch((error: unknown) => {
      this.#tell(`The guest could not be asked to power off (${error instanceof Error ? error.message : error})`);
    });
  }

  #tell(text: string): void {
    this.#context.reporter.report({ kind: "step", text });
  }
}
