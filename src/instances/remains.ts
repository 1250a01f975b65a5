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
  control: MonitorPath | undefined;
  networks: { leave(): void } | undefined;
  mounts: { stop(): void } | undefined;
  /** Whether disk and configuration stay. */
  isKept: boolean;

  constructor(acquired: Acquired, isKept: boolean) {
    this.#acquired = acquired;
    this.isKept = isKept;
  }

  /** What one guest had, before another one is started in its place. */
  removeGuest(): void {
    if (this.guest !== undefined && !this.guest.hasExited()) this.guest.signal("SIGKILL");
    this.networks?.leave();
    this.mounts?.stop();
    this.guest = this.networks = this.mounts = undefined;
  }

  /** Synchronous, and harmless when called again. */
  remove(): void {
    const { folder, lock } = this.#acquired;
    this.removeGuest();
    removeMonitorFolder(this.monitor?.folder);
    removeMonitorFolder(this.control?.folder);
    if (!this.isKept || !existsSync(join(folder, FILES.config))) {
      removeFolder(folder);
      return;
    }
    for (const socket of [FILES.monitor, FILES.control]) rmSync(join(folder, socket), { force: true });
    release(lock);
  }
}
