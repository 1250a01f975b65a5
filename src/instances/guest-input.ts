import type { QemuProcess } from "../hypervisors/qemu/process.ts";
import { CapstanError, ExitCode } from "../support/errors.ts";

/**
 * What several at once may send to a guest's console. A serial port drops what comes before its driver is there: input
 * waits for the first output.
 */
export class GuestInput {
  readonly #guest: QemuProcess;
  readonly #ready: Promise<void>;

  constructor(guest: QemuProcess) {
    this.#guest = guest;
    this.#ready = new Promise((resolve) => {
      guest.output.once("data", () => resolve());
      void guest.exited.then(() => resolve());
    });
  }

  /** Resolves when QEMU has taken it. @throws CapstanError `not-running` when the guest has ended */
  async send(bytes: Buffer): Promise<void> {
    await this.#ready;
    const { input } = this.#guest;
    if (!input.writable) throw ended();
    await new Promise<void>((resolve, reject) => {
      const settle = (error?: Error | null) => (error == null ? resolve() : reject(ended()));
      input.write(bytes, settle);
      // What waits in a pipe that nobody reads any more is never called back.
      void this.#guest.exited.then(() => reject(ended()));
    });
  }
}

function ended(): CapstanError {
  return new CapstanError("The guest has ended and takes no input", {
    code: "not-running",
    hint: "Start it again: capstan start NAME",
    exitCode: ExitCode.cannotCreate,
  });
}
