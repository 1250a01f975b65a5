import { withQmp } from "../hypervisors/qemu/qmp.ts";
import { findRunning } from "./find.ts";

/**
 * Stops the guest's processors, with all in its memory as it is; a clock that it reads goes on.
 * @throws CapstanError `no-such-instance` (66), `not-running` (73), those of the monitor
 */
export async function pauseInstance(root: string, name: string): Promise<void> {
  await tell(root, name, "stop");
}

/** Lets a guest go on that was paused, or that QEMU paused because the disk was full. */
export async function resumeInstance(root: string, name: string): Promise<void> {
  await tell(root, name, "cont");
}

async function tell(root: string, name: string, command: "stop" | "cont"): Promise<void> {
  const { owner } = findRunning(root, name);
  await withQmp(owner.monitor ?? "", {}, (qmp) => qmp.execute(command));
}
