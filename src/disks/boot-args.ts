/**
 * The command line of a bootable OSv image: text that ends with a NUL, from byte 512 of the disk.
 * Source: OSv arch/x64/boot16.S, which reads 63 sectors there; the compressed kernel follows at byte 65536.
 */
import { CapstanError } from "../support/errors.ts";
import type { BlockDevice, WritableBlockDevice } from "./block-device.ts";

export const BOOT_ARGS_OFFSET = 512;
/** Bytes from here on are the kernel's. */
export const KERNEL_OFFSET = 65536;
/**
 * In bytes of UTF-8, without the NUL. The boot sector has room for 32,256 with it; 32,201 were seen to reach the kernel
 * whole, and 33,001 to be cut without a word.
 */
export const MAX_BOOT_ARGS = 32_200;

const READ_BY_BOOT_SECTOR = 63 * 512;

/** The command line. A disk that has none (too small, no NUL, no text) is a CapstanError. */
export function getBootArgs(device: BlockDevice): string {
  const room = Buffer.alloc(Math.min(READ_BY_BOOT_SECTOR, Math.max(0, device.size - BOOT_ARGS_OFFSET)));
  if (room.length > 0) device.read(room, BOOT_ARGS_OFFSET);
  const end = room.indexOf(0);
  if (end < 0) throw noBootArgs("no text that ends with a NUL");
  const bytes = room.subarray(0, end);
  const text = bytes.toString("utf8");
  if (!Buffer.from(text).equals(bytes)) throw noBootArgs("bytes that are no UTF-8 text");
  return text;
}

/** Replaces the command line; nothing of the old one stays behind. Throws a CapstanError unless it is in place afterwards. */
export function setBootArgs(device: WritableBlockDevice, text: string): void {
  const bytes = encodeBootArgs(text);
  if (device.size < KERNEL_OFFSET) {
    throw new CapstanError(`A disk of ${device.size} bytes has no room for a boot command line`, {
      code: "boot-args-no-room",
      hint: "Use an image that begins with an OSv loader.",
    });
  }
  const room = Buffer.alloc(KERNEL_OFFSET - BOOT_ARGS_OFFSET);
  device.read(room, BOOT_ARGS_OFFSET);
  const oldEnd = room.indexOf(0);
  const length = Math.max(bytes.length, oldEnd < 0 ? room.length : oldEnd);
  const written = Buffer.alloc(length);
  bytes.copy(written);
  device.write(written, BOOT_ARGS_OFFSET);
  if (getBootArgs(device) !== text) {
    throw new CapstanError("The boot command line was written, and reads back differently", {
      code: "boot-args-lost",
      hint: "The disk that holds the image may be failing.",
    });
  }
}

function encodeBootArgs(text: string): Buffer {
  const problem = bootArgsProblem(text);
  if (problem !== undefined) throw problem;
  return Buffer.from(`${text}\0`);
}

function bootArgsProblem(text: string): CapstanError | undefined {
  const length = Buffer.byteLength(text);
  if (length > MAX_BOOT_ARGS) {
    return new CapstanError(`The boot command line has ${length} bytes, and the boot sector reads ${MAX_BOOT_ARGS}`, {
      code: "boot-args-too-long",
      hint: "Put the commands into a file of the image, and run that with runscript.",
    });
  }
  if (!text.includes("\0") && !/\p{Surrogate}/u.test(text)) return undefined;
  return new CapstanError("The boot command line contains a character that cannot be stored (NUL, or half of a pair)", {
    code: "boot-args-not-text",
    hint: "Remove the character.",
  });
}

function noBootArgs(found: string): CapstanError {
  return new CapstanError(`The disk has no boot command line: there is ${found} at byte ${BOOT_ARGS_OFFSET}`, {
    code: "boot-args-missing",
    hint: "Use an image that begins with an OSv loader.",
  });
}
