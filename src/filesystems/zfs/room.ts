import { closeSync, constants, openSync, readSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { isZero } from "../../support/bytes.ts";
import { checkAborted } from "../../support/errors.ts";
import { hostPath } from "../../support/host-paths.ts";
import type { FileEntry } from "../filetree.ts";
import { DNODE_SIZE, INDIRECT_BLOCK_SIZE, POINTERS_PER_INDIRECT, SECTOR_SIZE } from "./layout.ts";
import { tooSmall, type ZfsPlan } from "./plan.ts";
import { allocatable } from "./write/allocator.ts";
import { fileBlockSize, spanOf } from "./write/file-data.ts";

/**
 * Refuses a plan whose files cannot fit before anything of it is written. Blocks of zeros take no space, so that sizes
 * alone do not tell: where they would be too much, the files are looked into, the largest first and a little of each block,
 * until enough of it has turned out not to be zeros. What passes may still not fit, by little or where files come from
 * archives: that shows when the pool is full.
 *
 * Errors: CapstanError `image-too-small`; InterruptedError.
 */
export async function checkRoom(plan: ZfsPlan, signal?: AbortSignal): Promise<void> {
  if (plan.enough <= plan.size) return;
  const room = allocatable(plan.geometry);
  const files = [...plan.files].sort((a, b) => b.size - a.size);
  let least = leastMetadata(plan);
  let doubtful = files.reduce((sum, { size }) => sum + spanOf(size), 0);
  let read = 0;
  for (const file of files) {
    if (least > room || least + doubtful <= room) break;
    doubtful -= spanOf(file.size);
    for (const bytes of leastAllocated(file)) {
      least += bytes;
      if (least > room) break;
      if (++read % READS_BETWEEN_TURNS === 0) await setImmediate();
      checkAborted(signal);
    }
  }
  if (least > room) throw tooSmall(plan.size, plan.enough);
}

const READS_BETWEEN_TURNS = 1000;

/** What dnodes and the entries of directories take at least. */
function leastMetadata({ nodes }: ZfsPlan): number {
  return nodes.reduce((sum, { children }) => sum + DNODE_SIZE + children.length * LEAST_ENTRY, 0);
}

/** In bytes, of a micro ZAP; those of a fat one are larger. */
const LEAST_ENTRY = 64;

/** For each block of a file: what it takes for certain, in bytes. */
function* leastAllocated({ size, content }: FileEntry): Generator<number, void, undefined> {
  if (content.kind === "host") {
    const file = openQuietly(content.path);
    if (file === undefined) return;
    try {
      yield* leastOfBlocks(size, (probe, offset) => readQuietly(file, probe, offset));
    } finally {
      closeSync(file);
    }
  } else if (content.kind === "bytes") {
    yield* leastOfBlocks(size, (probe, offset) => {
      probe.set(content.bytes.subarray(offset, offset + probe.length));
      return true;
    });
  }
}

/** `read` fills what it is given with the bytes at an offset; false when it cannot. */
function* leastOfBlocks(
  size: number,
  read: (probe: Buffer, offset: number) => boolean,
): Generator<number, void, undefined> {
  const blockSize = fileBlockSize(size);
  for (let offset = 0; offset < size; offset += blockSize) {
    const probe = PROBE.subarray(0, Math.min(PROBE.length, size - offset));
    if (!read(probe, offset)) return;
    if (isZero(probe)) yield 0;
    // The last block of several is compressed.
    else if (size > blockSize && offset + blockSize > size) yield SECTOR_SIZE;
    else yield blockSize + (size > blockSize ? POINTER_SHARE : 0);
  }
}

const PROBE = Buffer.alloc(4096);
const POINTER_SHARE = INDIRECT_BLOCK_SIZE / POINTERS_PER_INDIRECT;

/** What cannot be read is told when it is to be written. */
function openQuietly(path: string): number | undefined {
  try {
    return openSync(hostPath(path), constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  } catch {
    return undefined;
  }
}

function readQuietly(file: number, target: Buffer, offset: number): boolean {
  try {
    return readSync(file, target, 0, target.length, offset) === target.length;
  } catch {
    return false;
  }
}
