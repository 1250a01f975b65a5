/**
 * The "new ASCII" format of cpio (newc): for each entry a header, its name with a NUL, its content; name and content are
 * each padded with NULs so that what follows starts at a multiple of 4. The last entry is named TRAILER!!!.
 *
 * Sources: cpio(5) of FreeBSD's libarchive; the Linux kernel's Documentation/driver-api/early-userspace/buffer-format.rst;
 * what of it OSv understands: its tools/cpiod/cpio.cc, the same from v0.57.0 to the head of 2026-08.
 */
import type { TreeEntry } from "../filetree.ts";

export const MAGIC = "070701";
export const TRAILER = "TRAILER!!!";
export const ALIGNMENT = 4;

/** Behind the magic, each of eight hexadecimal digits, in this order. */
const FIELDS = [
  "inode",
  "mode",
  "uid",
  "gid",
  "linkCount",
  "mtime",
  "size",
  "deviceMajor",
  "deviceMinor",
  "specialMajor",
  "specialMinor",
  "nameSize",
  "check",
] as const;

const DIGITS = 8;

export const HEADER_SIZE = MAGIC.length + FIELDS.length * DIGITS;

/** Numbers from 0 to 2^32 - 1. `nameSize` counts the NUL. */
export type CpioHeader = Readonly<Record<(typeof FIELDS)[number], number>>;

/** The type bits of `mode`, as in st_mode. */
export const Type = { directory: 0o040000, file: 0o100000, symlink: 0o120000 } as const satisfies Record<
  TreeEntry["type"],
  number
>;
export const TYPE_MASK = 0o170000;

/** OSv rounds sizes up to a multiple of 4 in 32 bits: one above this becomes 0 there. */
export const MAX_FILE_SIZE = 0xffff_fffc;

/** Fields that are not given are 0. */
export function encodeHeader(fields: Partial<CpioHeader>): Buffer {
  let text = MAGIC;
  for (const field of FIELDS) text += (fields[field] ?? 0).toString(16).toUpperCase().padStart(DIGITS, "0");
  if (text.length !== HEADER_SIZE) throw new RangeError("a number does not fit the header of a cpio entry");
  return Buffer.from(text, "latin1");
}

/** Undefined when these bytes are no header. */
export function decodeHeader(bytes: Uint8Array): CpioHeader | undefined {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
  if (text.length !== HEADER_SIZE || !text.startsWith(MAGIC) || !/^[0-9A-Fa-f]+$/.test(text)) return undefined;
  const values = FIELDS.map((field, index) => {
    const start = MAGIC.length + index * DIGITS;
    return [field, Number.parseInt(text.slice(start, start + DIGITS), 16)] as const;
  });
  return Object.fromEntries(values) as CpioHeader;
}

/** How many NULs follow `length` bytes. */
export function paddingOf(length: number): number {
  return (ALIGNMENT - (length % ALIGNMENT)) % ALIGNMENT;
}
