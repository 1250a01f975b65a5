import { setTimeout as delay } from "node:timers/promises";
import type { UploadTarget } from "../compose/upload.ts";
import { readLog } from "../instances/console/log-reader.ts";
import { parseForwards } from "../instances/forwards.ts";
import { type InstanceInfo, listInstances } from "../instances/list.ts";
import { findLog } from "../instances/logs.ts";
import type { Context } from "../support/context.ts";
import { CapstanError, ExitCode } from "../support/errors.ts";

/**
 * Runs `upload` with an eye on the console of the guest that takes it, where that is an instance of this machine which
 * forwards the port. cpiod cannot say that it failed, and the end of the connection can be its own or that of the whole
 * guest: only the console tells which.
 *
 * Errors: CapstanError `upload-failed` when the guest gave up; those of `upload`.
 */
export async function watchedUpload<T>(
  { root, target }: { readonly root: string; readonly target: UploadTarget },
  context: Context,
  upload: (context: Context) => Promise<T>,
): Promise<T> {
  const failed = new AbortController();
  const done = new AbortController();
  const guest = new GuestConsole(target, () => failed.abort());
  const watching = guest.watch(root, AbortSignal.any([done.signal, context.signal]));
  try {
    const value = await upload({ ...context, signal: AbortSignal.any([context.signal, failed.signal]) });
    await guest.settled(context.signal);
    if (guest.hasFailed) throw guest.error();
    return value;
  } catch (error) {
    if (guest.hasFailed && !context.signal.aborted) throw guest.error();
    throw error;
  } finally {
    done.abort();
    await watching;
  }
}

/** How long the console may take to tell how it ended. */
const GRACE_MS = 5000;
const STEP_MS = 100;
const KEPT = 32 * 1024;
const KEPT_LINES = 8;

class GuestConsole {
  readonly #target: UploadTarget;
  readonly #onFailure: () => void;
  #text = "";
  #name: string | undefined;
  hasFinished = false;
  hasFailed = false;

  constructor(target: UploadTarget, onFailure: () => void) {
    this.#target = target;
    this.#onFailure = onFailure;
  }

  /** Until the signal. The guest may be started only while nobody listens yet. Never throws: this is help, and no more. */
  async watch(root: string, signal: AbortSignal): Promise<void> {
    if (!LOCAL.test(this.#target.host)) return;
    try {
      while (!signal.aborted && !this.hasFinished && !this.hasFailed) {
        const found = (await listInstances(root)).find((info) => takes(info, this.#target.port));
        if (found !== undefined) await this.#follow(root, found, signal);
        await delay(STEP_MS, undefined, { signal });
      }
    } catch {
      // It is gone, or nothing can be read of it.
    }
  }

  /** Until it is known what became of the guest, as far as that can be known. */
  async settled(signal: AbortSignal): Promise<void> {
    for (let waited = 0; this.#name !== undefined && waited < GRACE_MS && !signal.aborted; waited += STEP_MS) {
      if (this.hasFinished || this.hasFailed) return;
      await delay(STEP_MS);
    }
  }

  error(): CapstanError {
    const lines = this.#text.split(/[\r\n]+/).filter((line) => line.trim() !== "");
    const at = lines.findIndex((line) => FATAL.test(line));
    const said = at < 0 ? lines.slice(-KEPT_LINES) : lines.slice(Math.max(0, at - KEPT_LINES), at + 1);
    return new CapstanError(`The guest ${this.#name} gave up before it had written everything`, {
      code: "upload-failed",
      hint: "cpiod stops at a link that is there already, at a full disk, and where it may not write. Start the guest anew before the next try.",
      exitCode: ExitCode.unavailable,
      details: said,
    });
  }

  async #follow(root: string, { name, started }: InstanceInfo, signal: AbortSignal): Promise<void> {
    const { folder, isOver } = findLog(root, name);
    this.#name = name;
    // Of one that was started before, the log has more than what counts.
    const since = started === undefined ? undefined : Date.parse(started);
    for await (const bytes of readLog({ folder, since, follow: true, isOver, signal })) {
      this.#text = (this.#text + bytes.toString("latin1")).slice(-KEPT);
      const outcome = uploadOutcome(this.#text);
      if (outcome === "finished") this.hasFinished = true;
      else if (outcome === "failed") this.#fail();
      if (outcome !== undefined) return;
    }
    // It has ended, and did not say why.
    if (!signal.aborted && this.#text.includes(WAITING)) this.#fail();
  }

  #fail(): void {
    this.hasFailed = true;
    this.#onFailure();
  }
}

/** What the console of a guest tells of the upload that its cpiod has waited for last; undefined while it is going on. */
export function uploadOutcome(text: string): "finished" | "failed" | undefined {
  const last = text.slice(Math.max(0, text.lastIndexOf(WAITING)));
  if (last.includes(FINISHED)) return "finished";
  return last.split(/[\r\n]+/).some((line) => FATAL.test(line)) ? "failed" : undefined;
}

const LOCAL = /^(?:localhost|127(?:\.\d+){3}|::1)$/i;
const WAITING = "Waiting for connection from host";
const FINISHED = "cpiod finished";
const FATAL = /^(?:Aborted|\[backtrace\]|Assertion failed)/;

function takes({ status, ports }: InstanceInfo, port: number): boolean {
  if (status !== "running" && status !== "created") return false;
  return parseForwards(ports).some(({ protocol, hostPort }) => protocol === "tcp" && hostPort === port);
}
