import { createHash } from "node:crypto";
import type { NewBlockPointer } from "../block-pointer.ts";
import type { VdevGeometry } from "../geometry.ts";
import { putU64 } from "../integers.ts";
import { ASHIFT, ObjectType, POOL_VERSION } from "../layout.ts";
import { encodeNvList, type NvList, type NvValue } from "../nvlist.ts";
import type { ZfsPlan } from "../plan.ts";
import type { Allocator } from "./allocator.ts";
import { addDatasets } from "./datasets.ts";
import { numbers } from "./file-system.ts";
import { Mos } from "./mos.ts";
import { writeMosEnd } from "./mos-end.ts";
import type { WrittenObjset } from "./objset.ts";
import { BIRTH, type PoolOutput } from "./output.ts";

/** OSv's kernels know no other. */
const POOL_NAME = "osv";

export interface PoolOptions {
  readonly plan: Pick<ZfsPlan, "geometry" | "root" | "timestamp">;
  readonly allocator: Allocator;
  readonly data: WrittenObjset;
  readonly empty: WrittenObjset | undefined;
}

/** What the labels say. */
export interface WrittenPool {
  /** The block of the meta object set. */
  readonly root: NewBlockPointer;
  readonly config: NvList;
  readonly guidSum: bigint;
}

/** Writes what describes a pool whose file systems are written: the meta object set. */
export function writePool(output: PoolOutput, { plan, allocator, data, empty }: PoolOptions): WrittenPool {
  const { geometry, root, timestamp } = plan;
  const guid = guids(plan, data);
  const [poolGuid, vdevGuid] = [guid("pool", 64), guid("vdev", 64)];
  const mos = new Mos(output);
  const directory = mos.add({ type: ObjectType.objectDirectory });
  const syncList = mos.addBlockList();
  const freeList = mos.addBlockList();
  const features = mos.addFeatures();
  const config = mos.add({ type: ObjectType.packedNvlist, bonusType: ObjectType.packedNvlistSize, bonusSize: 8 });
  const metaslabs = mos.add({ type: ObjectType.objectArray });
  const datasets = addDatasets(mos, { root, data, empty, timestamp, guid });
  const leaf = leafVdev(geometry, { guid: vdevGuid, metaslabArray: metaslabs.number });
  const common = {
    ...{ version: POOL_VERSION, name: POOL_NAME, state: 0, txg: BIRTH, pool_guid: poolGuid, hostname: "osv.local" },
  };
  const packed = encodeNvList(
    list({ ...common, vdev_children: 1, vdev_tree: rootVdev(poolGuid, leaf), features_for_read: list({}) }),
  );
  putU64(config.bonus, packed.length, 0);
  mos.fillBlock(config, packed, { size: CONFIG_BLOCK_SIZE });
  mos.fillZap(
    directory,
    numbers({
      ...{ root_dataset: datasets.root.number, config: config.number, sync_bplist: syncList.number },
      ...{ free_bpobj: freeList.number, deflate: 1, creation_version: POOL_VERSION },
      ...{ features_for_read: features.forRead.number, features_for_write: features.forWrite.number },
      feature_descriptions: features.descriptions.number,
    }),
  );
  const objset = writeMosEnd({ mos, geometry, allocator, metaslabs, onUsage: datasets.account });
  const labelConfig = list({
    ...{ ...common, top_guid: vdevGuid, guid: vdevGuid, vdev_children: 1, vdev_tree: leaf },
    features_for_read: list({}),
  });
  return { root: objset, config: labelConfig, guidSum: poolGuid + vdevGuid };
}

/** spa_config.c: SPA_CONFIG_BLOCKSIZE. */
const CONFIG_BLOCK_SIZE = 16384;

function list(values: Readonly<Record<string, NvValue>>): NvList {
  return new Map(Object.entries(values));
}

/** The one disk. The kernel puts the one it booted from in place of the path. */
function leafVdev(
  { asize, metaslabShift }: VdevGeometry,
  { guid, metaslabArray }: { readonly guid: bigint; readonly metaslabArray: number },
): NvList {
  return list({
    ...{ type: "disk", id: 0, guid, path: "/dev/vblk0.1", whole_disk: 1 },
    ...{ metaslab_array: metaslabArray, metaslab_shift: metaslabShift, ashift: ASHIFT, asize, is_log: 0 },
    create_txg: BIRTH,
  });
}

function rootVdev(guid: bigint, leaf: NvList): NvList {
  return list({ type: "root", id: 0, guid, create_txg: BIRTH, children: [leaf] });
}

/** Numbers that follow from what is in the pool: the checksum of its data set covers every byte. */
function guids(plan: PoolOptions["plan"], data: WrittenObjset): (purpose: string, bits: number) => bigint {
  const seed = createHash("sha256")
    .update(data.pointer.sum)
    .update(`${plan.geometry.psize} ${plan.root} ${plan.timestamp}`)
    .digest();
  return (purpose, bits) => {
    const digest = createHash("sha256").update(seed).update(purpose).digest();
    return BigInt.asUintN(bits, digest.readBigUInt64LE(0)) || 1n;
  };
}
