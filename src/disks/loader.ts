/**
 * An OSv loader: the boot sector and the compressed kernel with which every image begins.
 * Source: OSv arch/x64/boot16.S and the rule for loader.img in its Makefile.
 */
import { KiB } from "../support/bytes.ts";
import { CapstanError } from "../support/errors.ts";
import type { BlockDevice } from "./block-device.ts";
import { getBootArgs, KERNEL_OFFSET } from "./boot-args.ts";
import { hasBootSignature, type Partition, readPartitionTable, SECTOR } from "./mbr.ts";

/** u16, little-endian: how many pieces of 32 KiB the boot sector loads. */
const PAYLOAD_FIELD = 0x10;
const PAYLOAD_UNIT = 32 * KiB;

export interface LoaderInfo {
  /** Bytes of compressed kernel, which start at byte 65536. */
  readonly payloadSize: number;
  /** What is in its place now; undefined where that is no text. Composing replaces it. */
  readonly commandLine: string | undefined;
  /** None in a plain loader; an image that was composed before has some. */
  readonly partitions: readonly Partition[];
}

/** Checks that a disk can boot as an OSv loader, as far as that shows before booting. `path` is for the messages. */
export function inspectLoader(device: BlockDevice, path: string): LoaderInfo {
  const start = Buffer.alloc(Math.min(SECTOR, device.size));
  device.read(start, 0);
  const problem = notALoader(start, path) ?? notBootable(device, path);
  if (problem !== undefined) throw problem;
  const payloadSize = start.readUInt16LE(PAYLOAD_FIELD) * PAYLOAD_UNIT;
  if (payloadSize === 0) {
    throw new CapstanError(`${path} is an OSv boot sector without a kernel: its size field is 0`, {
      code: "loader-without-kernel",
      hint: "Get the loader again, or set the size when building it (OSv's scripts/imgedit.py setsize).",
    });
  }
  if (KERNEL_OFFSET + payloadSize > device.size) {
    throw new CapstanError(
      `${path} is cut short: its kernel ends at byte ${KERNEL_OFFSET + payloadSize}, and the disk at ${device.size}`,
      { code: "loader-truncated", hint: "Download or copy the loader again." },
    );
  }
  return { payloadSize, commandLine: readCommandLine(device), partitions: readPartitionTable(device) };
}

/** What people have in place of a loader. */
function notALoader(start: Buffer, path: string): CapstanError | undefined {
  if (start.length === 0) {
    return new CapstanError(`${path} is empty`, { code: "loader-empty", hint: "Download or copy the loader again." });
  }
  if (/^\uFEFF?\s*<(!doctype|html|head|\?xml|!--|error)/i.test(start.toString("utf8"))) {
    return new CapstanError(`${path} is a web page, not an OSv loader`, {
      code: "loader-html",
      hint: "A server answered the download with a page: check the address, and download it again.",
    });
  }
  if (start.toString("latin1", 0, 4) === "\x7fELF") {
    return new CapstanError(`${path} is a kernel in ELF format, not a loader image that boots from a disk`, {
      code: "loader-elf",
      hint: "Name the image here (osv-loader.qemu, or loader.img in an OSv build).",
    });
  }
  return undefined;
}

function notBootable(device: BlockDevice, path: string): CapstanError | undefined {
  if (hasBootSignature(device)) return undefined;
  return new CapstanError(`${path} is not an OSv loader: its first sector does not end in 55 AA`, {
    code: "loader-no-signature",
    hint: "Name a loader image for x86-64 (osv-loader.qemu, or loader.img in an OSv build).",
  });
}

function readCommandLine(device: BlockDevice): string | undefined {
  try {
    return getBootArgs(device);
  } catch (error) {
    if (error instanceof CapstanError && error.code === "boot-args-missing") return undefined;
    throw error;
  }
}
