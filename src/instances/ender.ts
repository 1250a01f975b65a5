import { setTimeout as delay } from "node:timers/promises";
import type { QemuProcess } from "../hypervisors/qemu/process.ts";
import type { Context } from "../support/context.ts";
import { endProcess, pressPowerButton } from "./power.ts";
import type { End } from "./state.ts";

export interface EnderInput {
  readonly guest: QemuProcess;
  readonly monitor: string;
}

/** What a guest gets to power off in after SIGTERM, and when its time is over. */
const GRACE_MS = 5000;

/** Ends a guest, politely first, and knows why. */
export class Ender {
  readonly #input: EnderInput;
  readonly #context: Context;
  #grace: NodeJS.Timeout | undefined;
  #ending = false;
  reason: End | undefined;
  /** Called when the user waits no longer. */
  onForced = () => {};

  constructor(input: EnderInput, context: Context) {
    this.#input = input;
    this.#context = context;
  }

  /** The first one asks the guest to power off, the second one ends it. */
  interrupt(): void {
    if (this.reason !== undefined) {
      this.#force("interrupted");
      return;
    }
    this.reason = "interrupted";
    this.#tell("Asking the guest to power off; Ctrl-C once more ends it at once");
    this.#pressButton();
  }

  terminate(): void {
    if (this.reason !== undefined) this.#force("interrupted");
    else this.#ask("terminated", GRACE_MS);
  }

  /** The patience of a later one counts. */
  stop(graceMs: number): void {
    this.#ask("stopped", graceMs);
  }

  timeOut(): void {
    if (this.reason === undefined) this.#ask("timeout", GRACE_MS);
  }

  /** At once. */
  end(reason: End): void {
    this.reason ??= reason;
    if (this.#ending) return;
    this.#ending = true;
    endProcess(this.#input.guest).catch((error: unknown) => this.#tell(`Ending QEMU failed: ${error}`));
  }

  kill(): void {
    this.reason = "killed";
    this.#ending = true;
    this.#input.guest.signal("SIGKILL");
  }

  close(): void {
    clearTimeout(this.#grace);
  }

  #ask(reason: End, graceMs: number): void {
    const isFirst = this.reason === undefined;
    this.reason ??= reason;
    clearTimeout(this.#grace);
    this.#grace = setTimeout(() => this.#runOut(), graceMs);
    if (isFirst) this.#pressButton();
  }

  #runOut(): void {
    if (this.#input.guest.hasExited()) return;
    // Stopped, but not by itself.
    if (this.reason === "stopped") this.reason = "killed";
    this.#force("killed");
  }

  #force(reason: End): void {
    this.end(reason);
    this.onForced();
  }

  #pressButton(): void {
    const { guest, monitor } = this.#input;
    pressPowerButton(monitor, guest.hasExited).catch(async (error: unknown) => {
      // A monitor that is lost with a QEMU that just ends is no news.
      await delay(100);
      if (guest.hasExited()) return;
      this.#tell(`The guest could not be asked to power off (${error instanceof Error ? error.message : error})`);
    });
  }

  #tell(text: string): void {
    this.#context.reporter.report({ kind: "step", text });
  }
}
