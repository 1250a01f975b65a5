import type { BlockDevice } from "../disks/block-device.ts";
import { KERNEL_OFFSET } from "../disks/boot-args.ts";
import { openDisk } from "../disks/probe.ts";
import { openHostFile } from "../filesystems/host-space.ts";
import { KiB } from "../support/bytes.ts";
import { isErrno } from "../support/errors.ts";
import { MAX_KERNEL } from "./kernel-elf.ts";
import { badKernel, unpackKernel } from "./unpack.ts";

/** The demo kernel as a whole has 98 KiB. */
const START = 256 * KiB;

/** The first bytes of what a loader image boots; empty where the image is too small to have any. */
export function kernelStart(image: string): Buffer {
  return withImage(image, (device) => {
    const bytes = Buffer.alloc(Math.max(0, Math.min(START, device.size - KERNEL_OFFSET)));
    if (bytes.length > 0) device.read(bytes, KERNEL_OFFSET);
    return bytes;
  });
}

/** The kernel's ELF: the file beside the image, or where there is none, the one that is packed in the image. Errors: `os-…`, `bad-kernel`. */
export function kernelFile(files: { readonly image: string; readonly elf: string | undefined }): Buffer {
  const { image, elf } = files;
  return elf === undefined ? withImage(image, (device) => unpackKernel(device, image)) : readElfFile(elf);
}

/** Of a kernel with debugging information, the beginning, which has all that is loaded. */
function readElfFile(path: string): Buffer {
  const file = openHostFile(path);
  try {
    if (file.size > MAX_KERNEL) throw badKernel(path, "it is far too large");
    const bytes = Buffer.allocUnsafe(file.size);
    file.read(bytes, 0);
    return bytes;
  } catch (error) {
    if (error instanceof RangeError || isErrno(error, "ERR_OUT_OF_RANGE"))
      throw badKernel(path, "it changes while it is read");
    throw error;
  } finally {
    file.close();
  }
}

function withImage<T>(path: string, use: (image: BlockDevice) => T): T {
  const disk = openDisk(path);
  try {
    return use(disk.device);
  } finally {
    disk.close();
  }
}
