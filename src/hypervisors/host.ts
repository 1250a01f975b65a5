import { readFileSync } from "node:fs";
import { arch, hostname, platform, release } from "node:os";

/** What of this machine decides how guests can run on it. */
export interface Host {
  readonly platform: string;
  readonly arch: string;
  readonly hostname: string;
  /** Changes with every boot of this machine, where that can be known. */
  readonly bootId: string;
  readonly kvmDevice: string;
}

export function thisHost(): Host {
  return { platform: platform(), arch: arch(), hostname: hostname(), bootId: bootId(), kvmDevice: "/dev/kvm" };
}

function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  } catch {
    return `${platform()}-${release()}`;
  }
}
