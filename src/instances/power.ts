import { setTimeout as delay } from "node:timers/promises";
import type { QemuProcess } from "../hypervisors/qemu/process.ts";
import { type QmpClient, withQmp } from "../hypervisors/qemu/qmp.ts";
import { CapstanError } from "../support/errors.ts";
import { isRecord } from "../support/records.ts";

const REACH_MS = 5000;

/** Asks the guest through QEMU's monitor to power off, as by the button. Waits for a QEMU that is only just starting. */
export async function pressPowerButton(monitor: string, hasExited: () => boolean): Promise<void> {
  for (let waited = 0; ; waited += 100) {
    try {
      await withQmp(monitor, { timeoutMs: REACH_MS }, askToPowerOff);
      return;
    } catch (error) {
      if (hasExited()) return;
      const comesLater = error instanceof CapstanError && error.code === "qmp-unreachable" && waited < REACH_MS;
      if (!comesLater) throw error;
      await delay(100);
    }
  }
}

/** One that is paused would not notice. */
async function askToPowerOff(qmp: QmpClient): Promise<void> {
  const status = await qmp.execute("query-status");
  if (isRecord(status) && status.running === false) await qmp.execute("cont");
  await qmp.execute("system_powerdown");
}

/** QEMU ends properly at SIGTERM (disks are flushed); one that does not is killed. */
export async function endProcess(qemu: Pick<QemuProcess, "signal" | "hasExited">, graceMs = 2000): Promise<void> {
  qemu.signal("SIGTERM");
  for (let waited = 0; waited < graceMs && !qemu.hasExited(); waited += 20) await delay(20);
  if (!qemu.hasExited()) qemu.signal("SIGKILL");
}
