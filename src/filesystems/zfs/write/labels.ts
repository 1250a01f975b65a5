import type { WritableDevice } from "../../device.ts";
import { uberblockOffset, type VdevGeometry } from "../geometry.ts";
import { LABEL_NVLIST_OFFSET, LABEL_NVLIST_SIZE, LABEL_SIZE, POOL_VERSION, UBERBLOCK_SIZE } from "../layout.ts";
import { encodeNvList } from "../nvlist.ts";
import { encodeUberblock, sealArea } from "../uberblock.ts";
import { BIRTH } from "./output.ts";
import type { WrittenPool } from "./pool.ts";

/**
 * The transaction group of the uberblock. On its first import the kernel reads again all blocks that were born in the
 * three groups before it: with the group of their birth that would be the whole pool.
 */
const POOL_TXG = BIRTH + 12;

/** Writes the four labels, which makes what was written before a pool. */
export function writeLabels(
  device: WritableDevice,
  pool: WrittenPool,
  { geometry, timestamp }: { readonly geometry: VdevGeometry; readonly timestamp: number },
): void {
  const { config, guidSum, root } = pool;
  const nvlist = encodeNvList(config);
  const uberblock = encodeUberblock({ version: POOL_VERSION, txg: POOL_TXG, guidSum, timestamp, root });
  const label = Buffer.alloc(LABEL_SIZE);
  for (const start of geometry.labels) {
    const slot = uberblockOffset(start, POOL_TXG) - start;
    label.set(nvlist, LABEL_NVLIST_OFFSET);
    label.set(uberblock, slot);
    sealArea(label.subarray(LABEL_NVLIST_OFFSET, LABEL_NVLIST_OFFSET + LABEL_NVLIST_SIZE), start + LABEL_NVLIST_OFFSET);
    sealArea(label.subarray(slot, slot + UBERBLOCK_SIZE), start + slot);
    device.write(label, start);
  }
}
