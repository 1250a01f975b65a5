import type { ReadableDevice } from "../device.ts";
import { DEFERRED_LISTS, listedBlocks } from "./check/deferred.ts";
import { checkFileSystem } from "./check/file-system.ts";
import { Problems } from "./check/problems.ts";
import { Space } from "./check/space.ts";
import { readSpaceMaps } from "./check/space-maps.ts";
import { type CheckedObject, type Sums, Traversal } from "./check/traverse.ts";
import { checkZap } from "./check/zaps.ts";
import { vdevGeometry } from "./geometry.ts";
import { DSL_DIR_USED_BREAKDOWN, DslDatasetField, DslDirField, ObjectType } from "./layout.ts";
import { BlockReader } from "./read/block-reader.ts";
import type { ZfsObject } from "./read/object.ts";
import { dslDataset, dslNumber, openPool, type Pool } from "./read/pool.ts";
import { readZapNumbers } from "./read/zap.ts";
import { openFileSystem } from "./reader.ts";

export interface PoolCheck {
  /** A sentence each; the first 200. */
  readonly problems: readonly string[];
  readonly problemCount: number;
  /** Bytes that the space maps say are taken. */
  readonly allocated: number;
  readonly blocks: number;
  /** Files, directories and links of all file systems. */
  readonly objects: number;
}

export interface CheckOptions {
  /**
   * No kernel has written to the pool yet: then the sums that it keeps of its own space are exact. Kernels let them
   * run some tens of KiB behind.
   */
  readonly fresh?: boolean;
}

/**
 * Reads a whole pool and compares all that it says twice: each copy of each block with its checksum, space maps with
 * blocks, and the sums, counts and names of all structures with what they count. It takes as long as reading the pool.
 * Blocks of an intent log that was not replayed are not looked at: they show as allocated without use.
 */
export function checkPool(device: ReadableDevice, options: CheckOptions = {}): PoolCheck {
  const problems = new Problems();
  const pool = problems.guard(() => openPool(device));
  if (pool === undefined) return report(problems, { allocated: 0, blocks: 0, objects: 0 });
  checkLabels(pool, device, problems);
  const { metaslabShift, asize } = pool.label;
  const claimed = new Space(metaslabShift, Math.floor(asize / 2 ** metaslabShift));
  const traversal = new Traversal(pool, claimed, problems);
  const mos = traversal.objset(pool.uberblock.root, "the MOS");
  const allocated = readSpaceMaps(pool, problems);
  let objects = 0;
  if (mos !== undefined) {
    objects = checkDatasets(pool, mos.objects, { problems, traversal });
    claimDeferred(pool, traversal, problems);
    for (const { object } of mos.objects) if (MOS_ZAPS.has(object.head.type)) checkZap(object, problems);
    problems.guard(() => checkDirectories(mos.objects, problems));
    if (options.fresh === true) {
      problems.same(pool.uberblock.root.fill, mos.sums.fill, "the uberblock says how many objects the MOS has");
      problems.guard(() => checkTotals(pool, mos, { allocated: allocated.taken, problems }));
    }
    compareSpace(claimed, allocated, problems);
  }
  return report(problems, { allocated: allocated.taken, blocks: traversal.blockCount, objects });
}

function report(problems: Problems, sums: Pick<PoolCheck, "allocated" | "blocks" | "objects">): PoolCheck {
  return { problems: problems.list, problemCount: problems.count, ...sums };
}

const MOS_ZAPS: ReadonlySet<number> = new Set([
  ObjectType.objectDirectory,
  ObjectType.childMap,
  ObjectType.snapshotMap,
  ObjectType.dslProps,
  ObjectType.nextClones,
  ObjectType.deadlist,
  ObjectType.dslClones,
  ObjectType.metadataZap,
]);

function checkLabels(pool: Pool, device: ReadableDevice, problems: Problems): void {
  for (const [index, fault] of pool.faults.entries()) {
    if (fault !== undefined) problems.add(`label ${index} is damaged: ${fault}`);
    else problems.same(pool.txgs[index] ?? 0, pool.uberblock.txg, `the newest uberblock of label ${index}`);
  }
  const { asize, metaslabShift, ashift, txg, poolGuid, vdevGuid } = pool.label;
  const geometry = vdevGeometry(device.size);
  if (asize > geometry.asize) problems.add(`the label says ${asize} bytes, and there are ${geometry.asize}`);
  if (asize === geometry.asize) problems.same(metaslabShift, geometry.metaslabShift, "the size of metaslabs");
  problems.same(ashift, 9, "the size of sectors");
  if (txg > pool.uberblock.txg) problems.add(`the label is of ${txg}, later than the uberblock`);
  if (BigInt.asUintN(64, poolGuid + vdevGuid) !== pool.uberblock.guidSum) problems.add("the sum of the GUIDs is wrong");
}

interface DatasetCheck {
  readonly problems: Problems;
  readonly traversal: Traversal;
}

/** All data sets of the MOS, snapshots as well. Gives how many objects they have together. */
function checkDatasets(pool: Pool, objects: readonly CheckedObject[], { problems, traversal }: DatasetCheck): number {
  const names = new Map(pool.datasets.map(({ object, name }) => [object, name]));
  const guids = new Set<bigint>();
  let count = 0;
  for (const { number, object } of objects) {
    if (object.head.type !== ObjectType.dslDataset) continue;
    problems.guard(() => {
      const { bonus, what } = dslDataset(pool.mos, number);
      const guid = bonus.readBigUInt64LE(DslDatasetField.guid);
      if (guid === 0n || guids.has(guid)) problems.add(`${what} has no GUID of its own`);
      guids.add(guid);
      count += checkDataset(pool, object, { name: names.get(number) ?? `data set ${number}`, problems, traversal });
    });
  }
  return count;
}

function checkDataset(pool: Pool, object: ZfsObject, check: DatasetCheck & { readonly name: string }): number {
  const { name, problems, traversal } = check;
  const pointer = BlockReader.pointer(object.bonus, DslDatasetField.blockPointer, name);
  const found = pointer && traversal.objset(pointer, name);
  if (pointer === undefined || found === undefined) return 0;
  const said = (field: number): number => dslNumber(object, field);
  const referenced = said(DslDatasetField.referenced);
  problems.same(referenced, found.sums.allocated, `${name} says what it refers to`);
  problems.same(said(DslDatasetField.compressed), found.sums.stored, `${name} says its size on disk`);
  problems.same(said(DslDatasetField.uncompressed), found.sums.unpacked, `${name} says its size`);
  problems.same(pointer.fill, found.sums.fill, `${name} says how many objects it has`);
  if (said(DslDatasetField.unique) > referenced) problems.add(`${name} has more than it refers to`);
  const fileSystem = openFileSystem(pool, { name, pointer });
  if (fileSystem !== undefined) checkFileSystem(fileSystem, found.objects, problems);
  return found.objects.length;
}

/** The space of each directory of data sets is the sum of its parts, and of its children. */
function checkDirectories(objects: readonly CheckedObject[], problems: Problems): void {
  const childrenUsed = new Map<number, number>();
  const directories = objects.filter(({ object }) => object.head.type === ObjectType.dslDir);
  for (const { object } of directories) {
    const parent = dslNumber(object, DslDirField.parent);
    childrenUsed.set(parent, (childrenUsed.get(parent) ?? 0) + dslNumber(object, DslDirField.used));
  }
  for (const { number, object } of directories) {
    if ((dslNumber(object, DslDirField.flags) & DSL_DIR_USED_BREAKDOWN) === 0) continue;
    const parts = PARTS.reduce((sum, field) => sum + dslNumber(object, field), 0);
    problems.same(dslNumber(object, DslDirField.used), parts, `${object.what} uses what its parts do`);
    const children = childrenUsed.get(number) ?? 0;
    problems.same(dslNumber(object, DslDirField.usedChildren), children, `${object.what} says what its children use`);
  }
}

const PARTS = [
  DslDirField.usedHead,
  DslDirField.usedSnapshots,
  DslDirField.usedChildren,
  DslDirField.usedChildReserve,
  DslDirField.usedRefReserve,
] as const;

/** The root's `used` is all that is allocated, and `$MOS` has what the MOS takes. */
function checkTotals(
  pool: Pool,
  mos: { objects: readonly CheckedObject[]; sums: Sums },
  { allocated, problems }: { allocated: number; problems: Problems },
): void {
  const find = (number: number | undefined) => mos.objects.find((checked) => checked.number === number)?.object;
  const root = find(pool.directory.get("root_dataset"));
  if (root === undefined) return;
  problems.same(dslNumber(root, DslDirField.used), allocated, "the root data set uses all that is allocated");
  const children = find(dslNumber(root, DslDirField.childMap));
  const own = children && problems.guard(() => find(readZapNumbers(children).get("$MOS")));
  if (own === undefined) {
    problems.add("there is no $MOS");
    return;
  }
  problems.same(dslNumber(own, DslDirField.used), mos.sums.allocated, "$MOS says what it uses");
  problems.same(dslNumber(own, DslDirField.compressed), mos.sums.stored, "$MOS says its size on disk");
  problems.same(dslNumber(own, DslDirField.uncompressed), mos.sums.unpacked, "$MOS says its size");
}

function claimDeferred(pool: Pool, traversal: Traversal, problems: Problems): void {
  for (const name of DEFERRED_LISTS) {
    const list = pool.directory.get(name);
    if (list === undefined) continue;
    problems.guard(() => {
      for (const pointer of listedBlocks(pool.mos, list)) traversal.claimFreed(pointer, name);
    });
  }
}

function compareSpace(claimed: Space, allocated: Space, problems: Problems): void {
  const { only, lacking, example } = claimed.difference(allocated);
  if (only > 0) problems.add(`${only} bytes are in use and free according to the space maps, near ${example}`);
  if (lacking > 0)
    problems.add(`${lacking} bytes are allocated according to the space maps and not in use, near ${example}`);
}
