import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { MonitorPath } from "../hypervisors/qemu/monitor-path.ts";
import type { QemuProcess } from "../hypervisors/qemu/process.ts";
import { type Acquired, removeMonitorFolder } from "./acquire.ts";
import { FILES } from "./layout.ts";
import { release, removeFolder } from "./lock.ts";

/** What a run has made so far, to be undone whatever way it ends: in order, by an error, or with the whole process. */
export class Remains {
  readonly #acquired: Acquired;
  guest: QemuProcess | undefined;
  monitor: MonitorPath | undefined;
  /** Whether disk and configuration stay. */
  isKept: boolean;

  constructor(acquired: Acquired, isKept: boolean) {
    this.#acquired = acquired;
    this.isKept = isKept;
  }

  /** Synchronous, and harmless when called again. */
  remove(): void {
    const { folder, lock } = this.#acquired;
    if (this.guest !== undefined && !this.guest.hasExited()) this.guest.signal("SIGKILL");
    removeMonitorFolder(this.monitor?.folder);
    if (!this.isKept || !existsSync(join(folder, FILES.config))) {
      removeFolder(folder);
      return;
    }
    rmSync(join(folder, FILES.monitor), { force: true });
    release(lock);
  }
}
