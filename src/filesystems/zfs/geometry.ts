import {
  DATA_END_RESERVE,
  DATA_START,
  LABEL_SIZE,
  UBERBLOCK_RING_OFFSET,
  UBERBLOCK_RING_SIZE,
  UBERBLOCK_SIZE,
} from "./layout.ts";

/** How a vdev divides its partition; all in bytes. */
export interface VdevGeometry {
  /** The size of the partition that is used: whole labels. */
  readonly psize: number;
  /** What the label says as `asize`: without labels and boot area. */
  readonly asize: number;
  readonly metaslabShift: number;
  readonly metaslabCount: number;
  /** Where the four labels start. */
  readonly labels: readonly number[];
}

/**
 * The geometry that OSv gives a partition of this size, at least 64 MiB (vdev_metaslab_set_size: about 200 metaslabs;
 * vdev_label_offset). What lies behind the last whole metaslab is never used.
 */
export function vdevGeometry(partitionSize: number): VdevGeometry {
  const psize = partitionSize - (partitionSize % LABEL_SIZE);
  const asize = psize - DATA_START - DATA_END_RESERVE;
  const metaslabShift = Math.max(MIN_METASLAB_SHIFT, bitLength(Math.floor(asize / WANTED_METASLABS)));
  const metaslabCount = Math.floor(asize / 2 ** metaslabShift);
  return { psize, asize, metaslabShift, metaslabCount, labels: labelOffsets(psize) };
}

/** Two labels at the start, two at the end. `psize` is a multiple of 256 KiB. */
export function labelOffsets(psize: number): readonly number[] {
  return [0, LABEL_SIZE, psize - 2 * LABEL_SIZE, psize - LABEL_SIZE];
}

/** From the start of the partition: where the uberblock of a transaction group goes in a label. */
export function uberblockOffset(label: number, txg: number, slotSize: number = UBERBLOCK_SIZE): number {
  return label + UBERBLOCK_RING_OFFSET + (txg % (UBERBLOCK_RING_SIZE / slotSize)) * slotSize;
}

const MIN_METASLAB_SHIFT = 17;
const WANTED_METASLABS = 200;

/** The index of the highest bit that is set, from 1. Exact below 2^53. */
function bitLength(value: number): number {
  return value < 2 ** 32 ? 32 - Math.clz32(value) : 64 - Math.clz32(Math.floor(value / 2 ** 32));
}
