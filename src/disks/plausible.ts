import { MiB } from "../support/bytes.ts";
import { CapstanError } from "../support/errors.ts";
import type { BlockDevice } from "./block-device.ts";

/** Deflate's shortest code for its longest match makes 258 bytes of two bits (RFC 1951, 3.2.5). */
const DEFLATE_RATIO = 1032;
/** For the last block of a file, which may be cut short, and files of a few blocks. */
const SPARE = 16 * MiB;

/** What a file of `size` bytes can hold of a disk, at most: `mostData` of a device. */
export function mostDataIn(
  size: number,
  { blockSize, compressed }: { readonly blockSize: number; readonly compressed: boolean },
): number {
  return size * (compressed ? DEFLATE_RATIO : 1) + 2 * blockSize + SPARE;
}

/**
 * For a pass over a disk: called with the length of each piece that is read, it throws when that is more than the file can
 * hold. A small file would make one of any size otherwise. @throws CapstanError `disk-implausible`
 */
export function dataMeter({ mostData }: BlockDevice): (length: number) => void {
  let sum = 0;
  return (length) => {
    sum += length;
    if (mostData === undefined || sum <= mostData) return;
    throw new CapstanError("The disk is damaged: its tables name far more data than its file can hold", {
      code: "disk-implausible",
      hint: "Look at it with qemu-img check, or get the image again.",
    });
  };
}
