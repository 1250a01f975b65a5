import { join } from "node:path";
import { expect, test } from "vitest";
import { setRootPartition } from "../../../src/disks/mbr.ts";
import { createRaw } from "../../../src/disks/raw.ts";
import { rootOptions } from "../../../src/instances/mounts/root.ts";
import { MiB } from "../../../src/support/bytes.ts";
import { temporaryFolder } from "../../hypervisors/tiny-guest.ts";

const folder = temporaryFolder();

/** A disk whose root begins with these bytes at this offset. */
function disk(name: string, hex: string, offset: number): string {
  const path = join(folder, name);
  const device = createRaw(path, { size: 8 * MiB });
  device.write(Buffer.from(hex, "hex"), 2 * MiB + offset);
  setRootPartition(device, { start: 2 * MiB, size: 6 * MiB });
  device.flush();
  device.close();
  return path;
}

test.each([
  ["a ROFS is found first", "adbeadde00000000", 0, []],
  ["a ZFS would be found after a shared folder", "0cb1ba0000000000", 128 * 1024, ["--rootfs=zfs"]],
  ["and so would an ext", "53ef", 1080, ["--rootfs=ext"]],
  ["what nobody knows is left to the kernel", "01", 0, []],
])("%s", (name, hex, offset, expected) => {
  expect(rootOptions(disk(name, hex, offset))).toEqual(expected);
});
