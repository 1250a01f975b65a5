import type { ReadableDevice } from "../../device.ts";
import { corrupt, unsupported } from "../errors.ts";
import { labelOffsets } from "../geometry.ts";
import {
  KNOWN_FEATURES,
  LABEL_NVLIST_OFFSET,
  LABEL_NVLIST_SIZE,
  LABEL_SIZE,
  LAST_NUMBERED_VERSION,
  MIN_PARTITION_SIZE,
  POOL_VERSION,
  UBERBLOCK_RING_OFFSET,
  UBERBLOCK_RING_SIZE,
  UBERBLOCK_SIZE,
} from "../layout.ts";
import { decodeNvList, type NvList, NvListError, type NvValue } from "../nvlist.ts";
import { decodeUberblock, isSealed, type Uberblock } from "../uberblock.ts";

/** What the labels of a pool say. */
export interface PoolLabel {
  readonly name: string;
  readonly version: number;
  readonly txg: number;
  readonly poolGuid: bigint;
  readonly vdevGuid: bigint;
  readonly ashift: number;
  readonly asize: number;
  readonly metaslabArray: number;
  readonly metaslabShift: number;
}

export interface Labels {
  readonly label: PoolLabel;
  /** Of all that are sound, the one of the highest transaction group, then of the latest time. */
  readonly uberblock: Uberblock;
  /** For each of the four: why it is of no use. */
  readonly faults: readonly (string | undefined)[];
  /** For each of the four, the transaction group of its best uberblock. */
  readonly txgs: readonly (number | undefined)[];
}

/**
 * Whether the device has a label of ZFS: in one of the four places, for the first may be the one that is damaged.
 * That says nothing of the soundness of the pool.
 */
export function isZfs(device: ReadableDevice): boolean {
  return labelPlaces(device).some((place) => {
    const area = readArea(device, place);
    return isSealed(area, place + LABEL_NVLIST_OFFSET);
  });
}

/** Reads the four labels. Errors: CapstanError `bad-zfs` when none is sound; `zfs-feature`. */
export function readLabels(device: ReadableDevice): Labels {
  const places = labelPlaces(device);
  const read = places.map((place) => readLabel(device, place));
  const list = read.map(({ list }) => list).find((found) => found !== undefined);
  if (list === undefined) return corrupt("none of its four labels is sound");
  const label = parseLabel(list);
  const slotSize = Math.max(UBERBLOCK_SIZE, 2 ** label.ashift);
  const best = places.map((place) => bestUberblock(device, place, slotSize));
  const uberblock = best.reduce(laterOf, undefined);
  if (uberblock === undefined) return corrupt("it has no sound uberblock");
  checkVersion(uberblock.version);
  const faults = read.map(({ fault }, index) => fault ?? (best[index] ? undefined : "it has no sound uberblock"));
  return { label, uberblock, faults, txgs: best.map((found) => found?.txg) };
}

function labelPlaces(device: ReadableDevice): readonly number[] {
  if (device.size < MIN_PARTITION_SIZE) return [];
  return labelOffsets(device.size - (device.size % LABEL_SIZE));
}

function readArea(device: ReadableDevice, place: number): Buffer {
  const area = Buffer.allocUnsafeSlow(LABEL_NVLIST_SIZE);
  device.read(area, place + LABEL_NVLIST_OFFSET);
  return area;
}

function readLabel(device: ReadableDevice, place: number): { list?: NvList; fault?: string } {
  const area = readArea(device, place);
  if (!isSealed(area, place + LABEL_NVLIST_OFFSET)) return { fault: "its checksum is wrong" };
  try {
    return { list: decodeNvList(area) };
  } catch (error) {
    if (error instanceof NvListError) return { fault: error.message };
    throw error;
  }
}

function parseLabel(list: NvList): PoolLabel {
  checkFeatures(list.get("features_for_read"));
  const version = number(list, "version");
  checkVersion(version);
  const tree = list.get("vdev_tree");
  if (!(tree instanceof Map)) return corrupt("its label has no vdev_tree");
  const type = tree.get("type");
  if (type !== "disk" && type !== "file") unsupported(`it is a ${String(type)} of several disks`);
  if (list.get("vdev_children") !== undefined && number(list, "vdev_children") !== 1) {
    unsupported(`it has ${number(list, "vdev_children")} disks`);
  }
  const ashift = number(tree, "ashift");
  if (ashift < 9 || ashift > 13) corrupt(`its sectors have 2^${ashift} bytes`);
  const name = list.get("name");
  return {
    name: typeof name === "string" ? name : corrupt("its label has no name"),
    version,
    txg: number(list, "txg"),
    poolGuid: guid(list, "pool_guid"),
    vdevGuid: guid(list, "guid"),
    ashift,
    asize: number(tree, "asize"),
    metaslabArray: number(tree, "metaslab_array"),
    metaslabShift: number(tree, "metaslab_shift"),
  };
}

/** The label lists only features that are active, and that are needed for reading. */
function checkFeatures(features: NvValue | undefined): void {
  if (!(features instanceof Map)) return;
  refuseUnknownFeatures([...features.keys()]);
}

/** CapstanError `zfs-feature` when any of these features, active in the pool, is needed for reading and unknown here. */
export function refuseUnknownFeatures(names: readonly string[]): void {
  const unknown = names.filter((name) => !Object.hasOwn(KNOWN_FEATURES, name));
  if (unknown.length > 0) unsupported(`it has features that are unknown here: ${unknown.sort().join(", ")}`);
}

function checkVersion(version: number): void {
  if (version === POOL_VERSION || (version >= 1 && version <= LAST_NUMBERED_VERSION)) return;
  unsupported(`its version ${version} is unknown`);
}

function bestUberblock(device: ReadableDevice, place: number, slotSize: number): Uberblock | undefined {
  const ring = Buffer.allocUnsafeSlow(UBERBLOCK_RING_SIZE);
  device.read(ring, place + UBERBLOCK_RING_OFFSET);
  let best: Uberblock | undefined;
  for (let at = 0; at < ring.length; at += slotSize) {
    const slot = ring.subarray(at, at + slotSize);
    const uberblock = decodeUberblock(slot);
    if (uberblock === undefined || laterOf(best, uberblock) === best) continue;
    if (isSealed(slot, place + UBERBLOCK_RING_OFFSET + at)) best = uberblock;
  }
  return best;
}

function laterOf(a: Uberblock | undefined, b: Uberblock | undefined): Uberblock | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return b.txg > a.txg || (b.txg === a.txg && b.timestamp > a.timestamp) ? b : a;
}

function number(list: NvList, name: string): number {
  const value = list.get(name);
  return typeof value === "number" ? value : corrupt(`its label has no number ${name}`);
}

function guid(list: NvList, name: string): bigint {
  const value = list.get(name);
  return typeof value === "number" || typeof value === "bigint"
    ? BigInt(value)
    : corrupt(`its label has no number ${name}`);
}
