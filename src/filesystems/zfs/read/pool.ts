import type { ReadableDevice } from "../../device.ts";
import type { BlockPointer } from "../block-pointer.ts";
import { corrupt } from "../errors.ts";
import { getU64 } from "../integers.ts";
import {
  DSL_DATASET_SIZE,
  DSL_DIR_SIZE,
  DslDatasetField,
  DslDirField,
  OBJECT_DIRECTORY,
  ObjectType,
} from "../layout.ts";
import { BlockReader } from "./block-reader.ts";
import { type Labels, readLabels, refuseUnknownFeatures } from "./label.ts";
import { Objset, type ZfsObject } from "./object.ts";
import { readZapNumbers } from "./zap.ts";

/** A pool as its best uberblock shows it. */
export interface Pool extends Labels {
  readonly blocks: BlockReader;
  readonly mos: Objset;
  /** The object directory of the MOS. */
  readonly directory: ReadonlyMap<string, number>;
  /** All data sets with a name, a parent before its children; without the pool's own, whose names start with `$`. */
  readonly datasets: readonly Dataset[];
}

export interface Dataset {
  /** `osv`, `osv/zfs`. */
  readonly name: string;
  /** Objects of the MOS. */
  readonly directoryObject: number;
  readonly object: number;
  /** Undefined for one that never had a file system. */
  readonly pointer: BlockPointer | undefined;
}

/** Errors: CapstanError `bad-zfs`, `zfs-feature`. */
export function openPool(device: ReadableDevice): Pool {
  const labels = readLabels(device);
  const blocks = new BlockReader(device);
  const mos = new Objset(blocks, labels.uberblock.root, "the MOS");
  const directory = readZapNumbers(mos.object(OBJECT_DIRECTORY, ObjectType.objectDirectory));
  const features = directory.get("features_for_read");
  if (features !== undefined) {
    const active = [...readZapNumbers(mos.object(features))].filter(([, count]) => count > 0).map(([name]) => name);
    refuseUnknownFeatures(active);
  }
  return { ...labels, blocks, mos, directory, datasets: readDatasets(mos, directory, labels.label.name) };
}

/** More than any pool of an image has. */
const MAX_DATASETS = 10_000;

function readDatasets(mos: Objset, directory: ReadonlyMap<string, number>, poolName: string): Dataset[] {
  const root = directory.get("root_dataset") ?? corrupt("it has no root data set");
  const datasets: Dataset[] = [];
  const seen = new Set<number>();
  const pending = [{ name: poolName, object: root }];
  for (let next = pending.shift(); next !== undefined; next = pending.shift()) {
    const { name, object } = next;
    if (seen.has(object) || seen.size >= MAX_DATASETS) corrupt("its data sets are nested in a circle, or too many");
    seen.add(object);
    const dir = dslDir(mos, object);
    const head = dslNumber(dir, DslDirField.headDataset);
    if (head !== 0) datasets.push(readDataset(mos, { name, directoryObject: object, object: head }));
    const children = dslNumber(dir, DslDirField.childMap);
    if (children === 0) continue;
    for (const [child, childObject] of readZapNumbers(mos.object(children, ObjectType.childMap))) {
      if (!child.startsWith("$")) pending.push({ name: `${name}/${child}`, object: childObject });
    }
  }
  return datasets;
}

function readDataset(mos: Objset, dataset: Omit<Dataset, "pointer">): Dataset {
  const { bonus, what } = dslDataset(mos, dataset.object);
  return { ...dataset, pointer: BlockReader.pointer(bonus, DslDatasetField.blockPointer, what) };
}

/** An object of the MOS whose bonus is a DSL directory. */
export function dslDir(mos: Objset, number: number): ZfsObject {
  return dslObject(mos, number, { type: ObjectType.dslDir, size: DSL_DIR_SIZE });
}

/** One whose bonus is a DSL data set. */
export function dslDataset(mos: Objset, number: number): ZfsObject {
  return dslObject(mos, number, { type: ObjectType.dslDataset, size: DSL_DATASET_SIZE });
}

/** A word of such a bonus. */
export function dslNumber(object: ZfsObject, field: number): number {
  if (field + 8 > object.bonus.length) corrupt(`${object.what} is cut off`);
  return getU64(object.bonus, field) ?? corrupt(`a number of ${object.what} is beyond any disk`);
}

function dslObject(mos: Objset, number: number, { type, size }: { type: number; size: number }): ZfsObject {
  const object = mos.object(number, type);
  if (object.head.bonusType !== type || object.bonus.length < size) corrupt(`${object.what} is cut off`);
  return object;
}
