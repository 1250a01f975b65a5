import { encodeBlockPointer } from "../block-pointer.ts";
import { putU64 } from "../integers.ts";
import {
  DSL_DATASET_SIZE,
  DSL_DATASET_UNIQUE_ACCURATE,
  DSL_DIR_SIZE,
  DSL_DIR_USED_BREAKDOWN,
  DslDatasetField,
  DslDirField,
  ObjectType,
} from "../layout.ts";
import type { ZfsRoot } from "../plan.ts";
import { numbers } from "./file-system.ts";
import { hexEntry, type Mos, type MosObject } from "./mos.ts";
import type { WrittenObjset } from "./objset.ts";
import { BIRTH, noUsage, type Usage } from "./output.ts";
import type { ZapEntry } from "./zap.ts";

export interface DatasetsOptions {
  readonly root: ZfsRoot;
  /** The file system with the files. */
  readonly data: WrittenObjset;
  /** An empty one, where the files are not in the root of the pool. */
  readonly empty: WrittenObjset | undefined;
  readonly timestamp: number;
  /** A number that is not 0 for each purpose, of so many bits. */
  readonly guid: (purpose: string, bits: number) => bigint;
}

export interface Datasets {
  /** The DSL directory of the pool. */
  readonly root: MosObject;
  /** Fills in what all take, once it is known what the MOS takes. */
  account(mosUsage: Usage): void;
}

/** The transaction group of the snapshot that both views start from. */
const SNAPSHOT_TXG = BIRTH + 1;
/** The first of all: dsl_pool_create makes $ORIGIN in it. */
const ORIGIN_TXG = 1;

/** Adds the data sets with their directories, snapshots and lists, as dsl_pool_create and dsl_dataset_create_sync do. */
export function addDatasets(mos: Mos, options: DatasetsOptions): Datasets {
  const builder = new Builder(mos, options);
  const root = builder.directory(undefined, "");
  const mosDirectory = builder.directory(root, "$MOS");
  builder.directory(root, "$FREE");
  const origin = builder.directory(root, "$ORIGIN");
  const originSnapshot = mos.add(DATASET);
  const base = { directory: root, previous: originSnapshot.number, previousTxg: ORIGIN_TXG };
  const cloned: Cloned[] = [];
  root.origin = originSnapshot.number;
  root.props = [...numbers({ canmount: CANMOUNT_NOAUTO, compression: COMPRESSION_OFF }), MOUNTPOINT];
  if (options.root === "both") {
    const snapshot = mos.add(DATASET);
    const head = mos.add(DATASET);
    const clone = mos.add(DATASET);
    const cloneDirectory = builder.directory(root, BELOW);
    cloneDirectory.props = BELOW_PROPS;
    cloneDirectory.origin = snapshot.number;
    cloneDirectory.head = clone.number;
    root.head = head.number;
    root.usage = { ...options.data.usage };
    root.clones = mos.addZap(ObjectType.dslClones, [hexEntry(clone.number, clone.number)]).number;
    const view = { objset: options.data, unique: 0, deadlist: [0, ORIGIN_TXG] };
    builder.fill(snapshot, {
      ...{ ...base, ...view, txg: SNAPSHOT_TXG, next: head.number, childCount: 2, deadlist: [0], isSnapshot: true },
      nextClones: mos.addZap(ObjectType.nextClones, [hexEntry(clone.number, clone.number)]).number,
    });
    const afterSnapshot = { ...view, previous: snapshot.number, previousTxg: SNAPSHOT_TXG };
    const snapshots = numbers({ [SNAPSHOT_NAME]: snapshot.number });
    builder.fill(head, { ...afterSnapshot, directory: root, txg: BIRTH, snapshots });
    builder.fill(clone, { ...afterSnapshot, directory: cloneDirectory, txg: SNAPSHOT_TXG + 1 });
    cloned.push({ next: snapshot.number, head: head.number });
  } else {
    const sets: [Directory, WrittenObjset][] = [[root, options.empty ?? options.data]];
    if (options.root === "osv/zfs") {
      const below = builder.directory(root, BELOW);
      below.origin = originSnapshot.number;
      below.props = BELOW_PROPS;
      sets.push([below, options.data]);
    }
    for (const [directory, objset] of sets) {
      const head = mos.add(DATASET);
      directory.head = head.number;
      directory.usage = { ...objset.usage };
      builder.fill(head, { ...base, directory, objset, unique: objset.usage.allocated, txg: BIRTH, deadlist: [0] });
      cloned.push({ next: head.number, head: head.number });
    }
  }
  builder.origin(origin, originSnapshot, cloned);
  builder.writeDirectories();
  return {
    root: root.object,
    account: (usage) => {
      mosDirectory.usage = usage;
      builder.encodeDirectories();
    },
  };
}

const SNAPSHOT_NAME = "base";
const DATASET = { type: ObjectType.dslDataset, bonusType: ObjectType.dslDataset, bonusSize: DSL_DATASET_SIZE };

/** What OSv's builder sets. A host that imports the pool must not mount it over its own root: "noauto". */
const MOUNTPOINT: ZapEntry = { name: Buffer.from("mountpoint"), value: "/" };
const CANMOUNT_NOAUTO = 2;
const COMPRESSION_OFF = 2;
const BELOW = "zfs";
const BELOW_PROPS = numbers({ canmount: CANMOUNT_NOAUTO, relatime: 1 });

/** A DSL directory: a data set's place in the tree of them, where its space is added up. */
interface Directory {
  readonly name: string;
  readonly object: MosObject;
  readonly propsObject: MosObject;
  readonly childMap: MosObject;
  readonly parent: Directory | undefined;
  readonly children: Directory[];
  props: readonly ZapEntry[];
  head: number;
  origin: number;
  clones: number;
  /** Of its own data set, without those below. */
  usage: Usage;
}

/** A data set that comes from $ORIGIN: the one that follows it, and the head of its line. */
interface Cloned {
  readonly next: number;
  readonly head: number;
}

interface NewDataset {
  readonly directory: Directory;
  readonly previous: number;
  readonly previousTxg: number;
  readonly next?: number;
  readonly childCount?: number;
  readonly txg: number;
  /** The transaction groups of its deadlist. */
  readonly deadlist: readonly number[];
  readonly objset?: WrittenObjset;
  readonly unique: number;
  readonly isSnapshot?: boolean;
  readonly nextClones?: number;
  readonly snapshots?: readonly ZapEntry[];
}

class Builder {
  readonly #mos: Mos;
  readonly #options: DatasetsOptions;
  readonly #directories: Directory[] = [];

  constructor(mos: Mos, options: DatasetsOptions) {
    this.#mos = mos;
    this.#options = options;
  }

  directory(parent: Directory | undefined, name: string): Directory {
    const type = ObjectType.dslDir;
    const directory: Directory = {
      object: this.#mos.add({ type, bonusType: type, bonusSize: DSL_DIR_SIZE }),
      propsObject: this.#mos.add({ type: ObjectType.dslProps }),
      childMap: this.#mos.add({ type: ObjectType.childMap }),
      ...{ name, parent, children: [], props: [], head: 0, origin: 0, clones: 0, usage: noUsage() },
    };
    parent?.children.push(directory);
    this.#directories.push(directory);
    return directory;
  }

  /** $ORIGIN: the empty data set that all others are clones of. */
  origin(directory: Directory, snapshot: MosObject, cloned: readonly Cloned[]): void {
    const mos = this.#mos;
    const head = mos.add(DATASET);
    directory.head = head.number;
    directory.clones = mos.addZap(
      ObjectType.dslClones,
      cloned.map((clone) => hexEntry(clone.head, clone.head)),
    ).number;
    const common = { directory, txg: ORIGIN_TXG, unique: 0 };
    this.fill(head, {
      ...{ ...common, previous: snapshot.number, previousTxg: ORIGIN_TXG, deadlist: [0] },
      snapshots: numbers({ $ORIGIN: snapshot.number }),
    });
    this.fill(snapshot, {
      ...{ ...common, previous: 0, previousTxg: 0, next: head.number, childCount: 1 + cloned.length, deadlist: [] },
      isSnapshot: true,
      nextClones: mos.addZap(
        ObjectType.nextClones,
        cloned.map(({ next }) => hexEntry(next, next)),
      ).number,
    });
  }

  fill(dataset: MosObject, set: NewDataset): void {
    const { timestamp, guid } = this.#options;
    const { bonus, number } = dataset;
    const usage = set.objset?.usage ?? noUsage();
    const snapshots = set.isSnapshot
      ? undefined
      : this.#mos.addZap(ObjectType.snapshotMap, set.snapshots ?? [], SNAPSHOT_NORM_FLAGS);
    const words: Partial<Record<keyof typeof DslDatasetField, number>> = {
      ...{
        directory: set.directory.object.number,
        previousSnapshot: set.previous,
        previousSnapshotTxg: set.previousTxg,
      },
      ...{ nextSnapshot: set.next ?? 0, snapshotNames: snapshots?.number ?? 0, childCount: set.childCount ?? 0 },
      ...{ creationTime: timestamp, creationTxg: set.txg, deadlist: this.#mos.addDeadlist(set.deadlist).number },
      ...{ referenced: usage.allocated, compressed: usage.physical, uncompressed: usage.logical, unique: set.unique },
      ...{ flags: DSL_DATASET_UNIQUE_ACCURATE, nextClones: set.nextClones ?? 0 },
    };
    for (const [field, value] of Object.entries(words)) {
      putU64(bonus, value, DslDatasetField[field as keyof typeof DslDatasetField]);
    }
    bonus.writeBigUInt64LE(guid(`fsid ${number}`, 56), DslDatasetField.fsidGuid);
    bonus.writeBigUInt64LE(guid(`dataset ${number}`, 64), DslDatasetField.guid);
    if (set.objset !== undefined) encodeBlockPointer(bonus, set.objset.pointer, DslDatasetField.blockPointer);
  }

  /** The properties and children of all directories. */
  writeDirectories(): void {
    for (const { propsObject, props, childMap, children } of this.#directories) {
      this.#mos.fillZap(propsObject, props);
      this.#mos.fillZap(
        childMap,
        numbers(Object.fromEntries(children.map(({ name, object }) => [name, object.number]))),
      );
    }
  }

  encodeDirectories(): void {
    const { timestamp } = this.#options;
    for (const directory of this.#directories) {
      const { object, parent, head, origin, clones, propsObject, childMap, usage, children } = directory;
      const total = withChildren(directory);
      const words: Partial<Record<keyof typeof DslDirField, number>> = {
        ...{ creationTime: timestamp, headDataset: head, parent: parent?.object.number ?? 0, origin, clones },
        ...{ childMap: childMap.number, props: propsObject.number, flags: DSL_DIR_USED_BREAKDOWN },
        ...{ used: total.allocated, compressed: total.physical, uncompressed: total.logical },
        usedHead: usage.allocated,
        usedChildren: children.reduce((sum, child) => sum + withChildren(child).allocated, 0),
      };
      for (const [field, value] of Object.entries(words)) {
        putU64(object.bonus, value, DslDirField[field as keyof typeof DslDirField]);
      }
    }
  }
}

/** zap.h: names of snapshots are hashed in upper case, so that they can be looked up in either. */
const SNAPSHOT_NORM_FLAGS = 2;

function withChildren({ usage, children }: Directory): Usage {
  const total = { ...usage };
  for (const child of children) {
    const { allocated, physical, logical } = withChildren(child);
    total.allocated += allocated;
    total.physical += physical;
    total.logical += logical;
  }
  return total;
}
