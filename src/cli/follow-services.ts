import type { Writable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { readTimedLines } from "../instances/console/timed-lines.ts";
import { findLog } from "../instances/logs.ts";
import { down } from "../services/down.ts";
import type { Driver, ServiceInstance } from "../services/driver.ts";
import type { ServicesFile } from "../services/services-file.ts";
import { hasSucceeded } from "../services/up.ts";
import { ExitCode } from "../support/errors.ts";
import type { CommandContext } from "./answer.ts";
import { startSettings } from "./start-settings.ts";

interface Following {
  readonly file: ServicesFile;
  readonly names: readonly string[];
  readonly driver: Driver;
  /** Of those that have just been started, when that began: what they said before is for `logs`. Milliseconds since 1970. */
  readonly since: ReadonlyMap<string, number>;
  /** The service whose end ends it all, and whose failure is a failure. */
  readonly until?: string | undefined;
}

/**
 * Shows the consoles of instances, each line behind its instance's name, until all have ended. Ctrl-C stops them; they stay,
 * and `up` goes on with them.
 */
export async function followServices(following: Following, context: CommandContext): Promise<ExitCode> {
  const { file, names, driver, since, until } = following;
  const stop = new AbortController();
  let isStopping = false;
  const release = context.onInterrupt(() => {
    if (isStopping) {
      stop.abort();
      return;
    }
    isStopping = true;
    context.reporter.report({ kind: "step", text: "Stopping the services; Ctrl-C once more leaves them as they are" });
    down(file, { keep: true }, { driver, context }).then(
      () => stop.abort(),
      (error: unknown) => {
        context.reporter.report({ kind: "failure", text: String(error) });
        stop.abort();
      },
    );
  });
  context.signal.addEventListener("abort", () => stop.abort(), { once: true });
  try {
    const shown = showConsoles(names, { since, follow: true, signal: stop.signal }, context);
    const ended = until === undefined ? undefined : await endOf(until, { driver, signal: stop.signal });
    if (ended !== undefined && !isStopping) {
      await down(file, { keep: true }, { driver, context });
      await shown;
      return ended.every(hasSucceeded) ? ExitCode.ok : ExitCode.runFailed;
    }
    await shown;
  } finally {
    release();
  }
  return isStopping ? ExitCode.interrupted : ExitCode.ok;
}

const LOOK_MS = 300;

/** The instances of a service when all of them have ended; undefined when the wait was given up. */
async function endOf(
  service: string,
  { driver, signal }: { readonly driver: Driver; readonly signal: AbortSignal },
): Promise<readonly ServiceInstance[] | undefined> {
  while (!signal.aborted) {
    const instances = (await driver.list()).filter((instance) => instance.service === service);
    if (!instances.some(({ isRunning }) => isRunning)) return instances;
    await Promise.race([delay(LOOK_MS), whenAborted(signal)]);
  }
  return undefined;
}

export interface ShowOptions {
  readonly follow: boolean;
  /** Milliseconds since 1970; of each console, where it is a map: all of those that are not in it. */
  readonly since?: number | ReadonlyMap<string, number> | undefined;
  /** Of each console, so many of its last lines. */
  readonly tail?: number | undefined;
  readonly signal: AbortSignal;
}

/** The consoles of several instances at once, each line behind its instance's name. */
export async function showConsoles(
  names: readonly string[],
  options: ShowOptions,
  context: CommandContext,
): Promise<void> {
  const width = Math.max(0, ...names.map((name) => name.length));
  const { root } = startSettings(context);
  const { output } = context.console;
  const show = async (name: string) => {
    const log = findLog(root, name);
    const since = typeof options.since === "object" ? options.since.get(name) : options.since;
    const prefix = Buffer.from(`${name.padEnd(width)} | `);
    for await (const { bytes } of readTimedLines({ ...log, ...options, since })) {
      const isWhole = bytes.at(-1) === 0x0a;
      await write(output, Buffer.concat(isWhole ? [prefix, bytes] : [prefix, bytes, NEWLINE]));
      if (options.signal.aborted) return;
    }
  };
  await Promise.race([Promise.all(names.map(show)), whenAborted(options.signal)]);
  // What has been read is on its way still.
  await delay(0);
}

const NEWLINE = Buffer.from("\n");

function write(output: Writable, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    output.write(bytes, () => resolve());
  });
}

function whenAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
