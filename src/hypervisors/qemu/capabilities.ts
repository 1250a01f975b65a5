import { isAtLeast, type Version } from "./version.ts";

/** What a QEMU can do, as far as it decides how it is called. */
export interface QemuCapabilities {
  /** virtio-rng-pci: the guest gets its random numbers from the host. Since 1.3. */
  readonly virtioRng: boolean;
  /** `-netdev stream` on a unix socket. Since 7.2. */
  readonly streamNetdev: boolean;
  /** `-run-with exit-with-parent=on`: QEMU ends when we are killed, even by SIGKILL. Since 10.2, on Linux, FreeBSD and macOS. */
  readonly exitWithParent: boolean;
}

export function capabilitiesOf(version: Version): QemuCapabilities {
  return {
    virtioRng: isAtLeast(version, [1, 3]),
    streamNetdev: isAtLeast(version, [7, 2]),
    exitWithParent: isAtLeast(version, [10, 2]),
  };
}
