import type { BlockDevice } from "../disks/block-device.ts";
import { KERNEL_OFFSET } from "../disks/boot-args.ts";
import { KiB, MiB } from "../support/bytes.ts";
import { CapstanError } from "../support/errors.ts";
import { expandFastLz } from "./fastlz.ts";

/**
 * The kernel inside a loader image, from its byte 65536 on. Source: OSv fastlz/lz.cc and lzloader.cc. For x86-64 there is a small ELF32
 * program that holds the packed kernel in its data, at no fixed place; other kernels are there as they are.
 *
 *     u32          offset of the table, counted from here
 *     the packed segments, one behind the other; each a FastLZ block, or unpacked where packing does not make it smaller
 *     the table:   u32 number of segments; for each of them u32 size unpacked, u32 size packed
 */
const MAX_SEGMENT = MiB;
const MAX_SEGMENTS = 128;
/** The unpacking program has some 10 KiB. */
const SEARCHED = 64 * KiB;
const ELF32 = Buffer.from("\x7fELF\x01", "latin1");
const ELF64 = Buffer.from("\x7fELF\x02", "latin1");

export type KernelPayload = "packed" | "elf" | "other";

/** What lies where an image's kernel starts. */
export function payloadKind(image: BlockDevice): KernelPayload {
  if (image.size < KERNEL_OFFSET + ELF32.length) return "other";
  const start = Buffer.alloc(ELF32.length);
  image.read(start, KERNEL_OFFSET);
  if (start.equals(ELF32)) return "packed";
  return start.equals(ELF64) ? "elf" : "other";
}

/**
 * The kernel's ELF out of a loader image; where it was not packed, with whatever follows it, 128 MiB at most. `path` is for messages.
 * Error: CapstanError `bad-kernel`.
 */
export function unpackKernel(image: BlockDevice, path: string): Buffer {
  const kind = payloadKind(image);
  if (kind === "other") throw badKernel(path, "there is no ELF file at byte 65536");
  if (kind === "elf") {
    const whole = Buffer.alloc(Math.min(image.size - KERNEL_OFFSET, MAX_SEGMENTS * MAX_SEGMENT));
    image.read(whole, KERNEL_OFFSET);
    return whole;
  }
  const found = findSegments(image);
  if (found === undefined) throw badKernel(path, "its table of packed segments is not found");
  return expandSegments(image, path, found);
}

interface PackedKernel {
  /** Of the first segment, in the image. */
  readonly start: number;
  readonly packedSize: number;
  readonly size: number;
  readonly segments: readonly Segment[];
}

interface Segment {
  readonly size: number;
  readonly packedSize: number;
}

/** The place shows by its rules: the sizes of the segments add up to where the table is. */
function findSegments(image: BlockDevice): PackedKernel | undefined {
  const head = Buffer.alloc(Math.min(SEARCHED, image.size - KERNEL_OFFSET));
  image.read(head, KERNEL_OFFSET);
  for (let at = 0; at + 4 <= head.length; at++) {
    const table = head.readUInt32LE(at);
    const place = KERNEL_OFFSET + at;
    if (table <= 4 || table > MAX_SEGMENTS * MAX_SEGMENT || place + table + 12 > image.size) continue;
    const segments = readTable(image, place + table);
    const packedSize = segments.reduce((sum, segment) => sum + segment.packedSize, 0);
    if (segments.length === 0 || packedSize !== table - 4) continue;
    const size = segments.reduce((sum, segment) => sum + segment.size, 0);
    return { start: place + 4, packedSize, size, segments };
  }
  return undefined;
}

/** All segments but the last hold 1 MiB; the last may hold nothing at all. Empty where that is no table. */
function readTable(image: BlockDevice, place: number): readonly Segment[] {
  const count = Buffer.alloc(4);
  image.read(count, place);
  const segments = count.readUInt32LE(0);
  if (segments === 0 || segments > MAX_SEGMENTS || place + 4 + segments * 8 > image.size) return [];
  const table = Buffer.alloc(segments * 8);
  image.read(table, place + 4);
  const result: Segment[] = [];
  for (let index = 0; index < segments; index++) {
    const size = table.readUInt32LE(index * 8);
    const packedSize = table.readUInt32LE(index * 8 + 4);
    const isLast = index === segments - 1;
    if (packedSize > size || (isLast ? size >= MAX_SEGMENT : size !== MAX_SEGMENT)) return [];
    result.push({ size, packedSize });
  }
  return result;
}

function expandSegments(image: BlockDevice, path: string, kernel: PackedKernel): Buffer {
  const packed = Buffer.alloc(kernel.packedSize);
  image.read(packed, kernel.start);
  const result = Buffer.allocUnsafe(kernel.size);
  let from = 0;
  let to = 0;
  for (const { size, packedSize } of kernel.segments) {
    const source = packed.subarray(from, from + packedSize);
    const target = result.subarray(to, to + size);
    if (packedSize === size) target.set(source);
    else if (!expandFastLz(source, target)) throw badKernel(path, "what is packed in it is damaged");
    from += packedSize;
    to += size;
  }
  return result;
}

export function badKernel(path: string, why: string): CapstanError {
  return new CapstanError(`The kernel in ${path} cannot be read: ${why}`, {
    code: "bad-kernel",
    hint: "Get the loader again, or put the kernel's ELF file beside it (osv-loader.elf).",
  });
}
