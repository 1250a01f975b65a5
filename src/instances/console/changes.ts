import { type FSWatcher, watch } from "node:fs";

/** How long a change may go unnoticed where the system does not tell of it. */
const POLL_MS = 200;

/** Tells when something in a folder may have changed. */
export class Changes {
  #watcher: FSWatcher | undefined;
  #happened = false;
  #wake = () => {};

  constructor(folder: string) {
    const notice = () => {
      this.#happened = true;
      this.#wake();
    };
    try {
      this.#watcher = watch(folder, notice);
      this.#watcher.on("error", () => this.#stopWatching());
    } catch {
      // no such folder yet, or no watches left: a look now and then does as well
    }
  }

  /** Resolves after a change since the last time, after a while without one, and when the signal aborts. */
  async wait(signal?: AbortSignal): Promise<void> {
    if (!this.#happened && !signal?.aborted) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, POLL_MS);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
        signal?.addEventListener("abort", this.#wake, { once: true });
      });
      signal?.removeEventListener("abort", this.#wake);
      this.#wake = () => {};
    }
    this.#happened = false;
  }

  close(): void {
    this.#stopWatching();
    this.#wake();
  }

  #stopWatching(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }
}
