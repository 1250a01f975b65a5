import { pointerCountFor } from "../dnode.ts";
import { DSL_DATASET_SIZE, KNOWN_FEATURES, MAX_BLOCK_SIZE, ObjectType } from "../layout.ts";
import { emptyObject } from "./objset.ts";
import { noUsage, type PoolOutput } from "./output.ts";
import { type WrittenObject, writeSingleBlock, writeZap, type ZapEntry } from "./zap.ts";

/** An object of the meta object set: its bonus may still be filled in until its dnode is written. */
export interface MosObject {
  readonly number: number;
  readonly type: number;
  readonly bonusType: number;
  readonly bonus: Buffer;
  object: WrittenObject;
}

export interface NewMosObject {
  readonly type: number;
  readonly bonusType?: number;
  readonly bonusSize?: number;
  readonly blockSize?: number;
}

/** The objects that describe a pool, numbered as they are added; the first one is the object directory. */
export class Mos {
  readonly output: PoolOutput;
  readonly usage = noUsage();
  readonly objects: MosObject[] = [];

  constructor(output: PoolOutput) {
    this.output = output;
  }

  /** An object without blocks. */
  add({ type, bonusType = 0, bonusSize = 0, blockSize }: NewMosObject): MosObject {
    const object: MosObject = {
      ...{ number: this.objects.length + 1, type, bonusType, bonus: Buffer.alloc(bonusSize) },
      object: emptyObject(pointerCountFor(bonusSize), blockSize),
    };
    this.objects.push(object);
    return object;
  }

  /** Gives an object its content: a ZAP. */
  fillZap(object: MosObject, entries: readonly ZapEntry[], normFlags = 0): void {
    const kind = { type: object.type, pointerCount: pointerCountFor(object.bonus.length), usage: this.usage };
    object.object = writeZap(this.output, { entries, salt: BigInt(object.number), normFlags }, kind);
  }

  /** Adds a ZAP whose content is known. */
  addZap(type: number, entries: readonly ZapEntry[], normFlags = 0): MosObject {
    const object = this.add({ type });
    this.fillZap(object, entries, normFlags);
    return object;
  }

  /** Gives an object its content: one block. `plain`: it takes no less than its size. */
  fillBlock(object: MosObject, bytes: Uint8Array, block: { readonly size: number; readonly plain?: boolean }): void {
    const kind = { type: object.type, pointerCount: pointerCountFor(object.bonus.length), usage: this.usage };
    object.object = writeSingleBlock(this.output, bytes, {
      ...kind,
      blockSize: block.size,
      plain: block.plain === true,
    });
  }

  /** A list of blocks to be freed: empty. */
  addBlockList(): MosObject {
    return this.add({
      ...{ type: ObjectType.bpobj, bonusType: ObjectType.bpobjHeader, bonusSize: BPOBJ_SIZE },
      blockSize: MAX_BLOCK_SIZE,
    });
  }

  /** What a data set has freed of its earlier snapshots' blocks, by the time they are from: nothing yet. */
  addDeadlist(mintxgs: readonly number[]): MosObject {
    const deadlist = this.add({
      ...{ type: ObjectType.deadlist, bonusType: ObjectType.deadlistHeader, bonusSize: DSL_DATASET_SIZE },
    });
    const entries = mintxgs.map((txg) => hexEntry(txg, this.addBlockList().number));
    this.fillZap(deadlist, entries);
    return deadlist;
  }

  /** The three ZAPs of feature flags: all that OSv's kernels know are enabled, none is active. */
  addFeatures(): { readonly forRead: MosObject; readonly forWrite: MosObject; readonly descriptions: MosObject } {
    const features = Object.entries(KNOWN_FEATURES).map(([name, feature]) => ({ name: Buffer.from(name), ...feature }));
    const counts = (forRead: boolean) =>
      features.filter((feature) => feature.forRead === forRead).map(({ name }) => ({ name, value: 0 }));
    return {
      forRead: this.addZap(ObjectType.metadataZap, counts(true)),
      forWrite: this.addZap(ObjectType.metadataZap, counts(false)),
      descriptions: this.addZap(
        ObjectType.metadataZap,
        features.map(({ name, description }) => ({ name, value: description })),
      ),
    };
  }
}

/** An entry whose name is a number in hexadecimal. */
export function hexEntry(name: number, value: number): ZapEntry {
  return { name: Buffer.from(name.toString(16)), value };
}

/** BPOBJ_SIZE_V2 has three words more than the first form's three. */
const BPOBJ_SIZE = 48;
