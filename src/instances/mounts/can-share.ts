import type { Qemu } from "../../hypervisors/qemu/find.ts";
import { isAtLeast } from "../../hypervisors/qemu/version.ts";
import { CapstanError, ExitCode } from "../../support/errors.ts";
import type { Mount } from "./mount.ts";

/** Since 5.1 the memory of the machine can be one that processes share. */
export const SHARES_FOLDERS = [5, 1];

/** @throws CapstanError `qemu-too-old` (69) */
export function checkCanShare(mounts: readonly Mount[], { path, version }: Pick<Qemu, "path" | "version">): void {
  if (mounts.length === 0 || isAtLeast(version, SHARES_FOLDERS)) return;
  throw new CapstanError(`${path} is QEMU ${version.join(".")}, which cannot share folders with a guest`, {
    code: "qemu-too-old",
    hint: `Install QEMU ${SHARES_FOLDERS.join(".")} or newer, or put the files onto a volume.`,
    exitCode: ExitCode.unavailable,
  });
}
