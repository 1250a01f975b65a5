import { join } from "node:path";

/** The files of instances under $CAPSTAN_ROOT; the names are the original's where it has them. */
export function instancesFolder(root: string): string {
  return join(root, "instances", "qemu");
}

export function instanceFolder(root: string, name: string): string {
  return join(instancesFolder(root), name);
}

export const FILES = {
  /** The overlay: what the guest has changed. */
  disk: "disk.qcow2",
  /** The image as it was when the instance was made: a second name of its file, so that a new image leaves it alone. */
  base: "base.qemu",
  /** Likewise, the kernel for the direct boot. */
  kernel: "kernel.elf",
  /** Only persisted instances have one. */
  config: "osv.config",
  /** What the supervisor has written down: see state.ts. */
  state: "state.json",
  /** What the supervisor itself had to say. */
  supervisorLog: "supervisor.log",
  /** The socket on which the supervisor answers, unless its path would be too long there. */
  control: "control",
  /** The socket of QEMU's monitor, unless its path would be too long there. */
  monitor: "osv.monitor",
} as const;

export function cacheFolder(root: string): string {
  return join(root, "cache");
}
