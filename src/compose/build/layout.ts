import { type Partition, ROOT_PARTITION, SECTOR } from "../../disks/mbr.ts";
import { MiB, roundUp } from "../../support/bytes.ts";
import { CapstanError } from "../../support/errors.ts";

/** Of a base image: what is carried over. Positions in bytes. */
export interface BaseDisk {
  readonly size: number;
  readonly partitions: readonly Partition[];
}

/** Where things lie in the new image. */
export interface AmendedLayout {
  /** So many bytes of the base are the start of the new disk. */
  readonly headSize: number;
  readonly root: { readonly start: number; readonly size: number };
  /** Partitions behind the root, with their places in the base. */
  readonly behind: readonly { readonly partition: Partition; readonly from: number }[];
  readonly totalSize: number;
}

/**
 * The disk of a base with another root: what lies before the root stays where it is, and what lies behind it moves on as far
 * as it has to. A base without a root partition gets one at its end. Error: CapstanError `base-layout` for partitions that
 * overlap.
 */
export function layoutAmended(base: BaseDisk, rootSize: number): AmendedLayout {
  const size = roundUp(rootSize, SECTOR);
  const before = base.partitions.find(({ number }) => number === ROOT_PARTITION);
  if (before === undefined) {
    const start = roundUp(base.size, ALIGNMENT);
    return { headSize: base.size, root: { start, size }, behind: [], totalSize: start + size };
  }
  const { start } = before;
  const others = base.partitions.filter((partition) => partition !== before).sort((a, b) => a.start - b.start);
  checkPlaces([...others, before], base.size);
  let end = start + size;
  const behind = others
    .filter((partition) => partition.start > start)
    .map((partition) => {
      const place = Math.max(partition.start, roundUp(end, ALIGNMENT));
      end = place + partition.size;
      return { partition: { ...partition, start: place }, from: partition.start };
    });
  return { headSize: start, root: { start, size }, behind, totalSize: end };
}

/** As for composed images. */
const ALIGNMENT = 2 * MiB;

function checkPlaces(partitions: readonly Partition[], size: number): void {
  let end = 0;
  for (const { number, start, size: length } of [...partitions].sort((a, b) => a.start - b.start)) {
    if (start < end) throw badLayout(`its partition ${number} overlaps another one`);
    end = start + length;
    if (end > size) throw badLayout(`its partition ${number} ends at byte ${end}, and the disk at ${size}`);
  }
}

function badLayout(problem: string): CapstanError {
  return new CapstanError(`The base cannot be amended: ${problem}`, {
    code: "base-layout",
    hint: "Get or make the base image again.",
  });
}
