import { explainFailure, isFailure } from "../hypervisors/qemu/failures.ts";
import type { QemuProcess } from "../hypervisors/qemu/process.ts";
import type { Context } from "../support/context.ts";
import { CapstanError, ExitCode } from "../support/errors.ts";
import { bridgeConsole, type RunConsole } from "./console-bridge.ts";
import { type ConsoleFindings, ConsoleWatch } from "./console-watch.ts";
import { Ender } from "./ender.ts";
import type { End } from "./state.ts";

export interface SuperviseInput {
  readonly guest: QemuProcess;
  readonly monitor: string;
  readonly console: RunConsole;
  readonly commandLine: string;
  /** Tells of each Ctrl-C that comes as a signal, until the returned function is called. */
  readonly onInterrupt?: ((handler: () => void) => () => void) | undefined;
  /** A guest that is still there after so long is ended. */
  readonly timeoutMs?: number | undefined;
  /** Called with all that the guest says. */
  readonly onOutput?: ((chunk: Buffer) => void) | undefined;
  /** Called at once with what ends the guest at other people's request. */
  readonly onEnder?: ((ender: Ender) => void) | undefined;
}

export interface Supervised {
  readonly end: End;
  readonly findings: ConsoleFindings;
  /** Milliseconds since 1970. */
  readonly firstByte: number | undefined;
}

/** How long a kernel that has given up must be silent. */
const HALT_SILENCE_MS = 2000;
const UNTOLD_END =
  "The input has ended. OSv's console cannot tell a program so: one that reads to the end goes on waiting; Ctrl-C stops it";

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
    }
    input.onOutput?.(chunk);
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
    onUntoldEnd: () => context.reporter.report({ kind: "step", text: UNTOLD_END }),
  });
  ender.onForced = () => bridge.abandon();
  const stopListening = listenForStops(input, context, ender);
  const { timeoutMs } = input;
  const timeout = timeoutMs === undefined ? undefined : setTimeout(() => ender.timeOut(), timeoutMs);
  input.onEnder?.(ender);
  try {
    const exit = await guest.exited;
    await bridge.flush();
    if (isFailure(exit) && ender.reason === undefined) throw explainFailure(exit);
    return { end: ender.reason ?? "guest", findings: watch.finish(), firstByte };
  } finally {
    clearTimeout(silence);
    clearTimeout(timeout);
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
