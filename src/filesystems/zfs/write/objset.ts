import type { NewBlockPointer } from "../block-pointer.ts";
import { bonusOffset, encodeDnodeHead, pointerCountFor, pointerOffset, SPILL_POINTER_OFFSET } from "../dnode.ts";
import { putU64 } from "../integers.ts";
import {
  DNODE_BLOCK_SIZE,
  DNODE_SIZE,
  DnodeFlag,
  INDIRECT_SHIFT,
  OBJSET_SIZE,
  ObjectType,
  ObjsetField,
  SECTOR_SIZE,
} from "../layout.ts";
import { BlockTree } from "./block-tree.ts";
import type { PoolOutput, Usage } from "./output.ts";
import type { WrittenObject } from "./zap.ts";

export const DNODES_PER_BLOCK = DNODE_BLOCK_SIZE / DNODE_SIZE;

/** An object without any block. */
export function emptyObject(pointerCount: number, blockSize: number = SECTOR_SIZE): WrittenObject {
  return { levels: 1, blockSize, maxBlockId: 0, used: 0, pointers: Buffer.alloc(128 * pointerCount) };
}

export interface NewDnode {
  readonly type: number;
  readonly object: WrittenObject;
  readonly bonusType?: number;
  readonly bonus?: Uint8Array;
  /** Where the caller writes the bonus behind it. */
  readonly bonusLength?: number;
  readonly flags?: number;
  /** Has the kernel's own way to count pointers: an SA bonus can grow. */
  readonly sa?: boolean;
  /** The pointer to its spill block, which `object.used` counts already. */
  readonly spill?: Uint8Array | undefined;
}

export function encodeDnode(target: Buffer, dnode: NewDnode, at: number): void {
  const { type, object, bonusType = 0, bonus, spill } = dnode;
  const bonusLength = dnode.bonusLength ?? bonus?.length ?? 0;
  const pointerCount = pointerCountFor(dnode.sa ? "sa" : bonusLength);
  const flags =
    (dnode.flags ?? 0) | (object.used === 0 ? 0 : DnodeFlag.usedInBytes) | (spill === undefined ? 0 : DnodeFlag.spill);
  const { levels, blockSize, maxBlockId, used } = object;
  encodeDnodeHead(
    target,
    {
      type,
      indirectShift: INDIRECT_SHIFT,
      levels,
      pointerCount,
      bonusType,
      flags,
      blockSize,
      bonusLength,
      maxBlockId,
      used,
    },
    at,
  );
  target.set(object.pointers, at + pointerOffset(0));
  if (bonus !== undefined) target.set(bonus, at + bonusOffset({ pointerCount }));
  if (spill !== undefined) target.set(spill, at + SPILL_POINTER_OFFSET);
}

export interface DnodeArray {
  readonly metaDnode: WrittenObject;
  /** How many objects there are. */
  readonly fill: number;
}

export interface DnodeArrayOptions {
  /** Of the highest object, plus one. */
  readonly count: number;
  /** Writes the dnode of an object; false where there is none. The target is zero there. */
  readonly encode: (object: number, target: Buffer, at: number) => boolean;
  readonly levels: number;
  readonly usage: Usage;
  /** See BlockTreeOptions. */
  readonly plain?: boolean;
}

/** Writes all dnodes of an object set. */
export function writeDnodes(output: PoolOutput, { count, encode, ...options }: DnodeArrayOptions): DnodeArray {
  const blocks = Math.ceil(count / DNODES_PER_BLOCK);
  const tree = new BlockTree(output, { ...options, type: ObjectType.dnode, pointerCount: 3 });
  const bytes = Buffer.alloc(DNODE_BLOCK_SIZE);
  for (let block = 0; block < blocks; block++) {
    bytes.fill(0);
    let fill = 0;
    for (let index = 0; index < DNODES_PER_BLOCK; index++) {
      const object = block * DNODES_PER_BLOCK + index;
      if (object < count && encode(object, bytes, index * DNODE_SIZE)) fill++;
    }
    tree.push(output.put(bytes, { type: ObjectType.dnode, level: 0, fill, usage: options.usage }));
  }
  const { pointers, fill } = tree.finish();
  const { levels } = options;
  return {
    metaDnode: { levels, blockSize: DNODE_BLOCK_SIZE, maxBlockId: blocks - 1, used: tree.used, pointers },
    fill,
  };
}

export interface WrittenObjset {
  readonly pointer: NewBlockPointer;
  readonly usage: Usage;
}

export interface ObjsetOptions {
  /** Of `ObjsetType`. */
  readonly type: number;
  readonly flags: number;
  readonly dnodes: DnodeArray;
  /** The ZAPs of what belongs to each user and group. */
  readonly accounting?: { readonly users: WrittenObject; readonly groups: WrittenObject };
  readonly usage: Usage;
}

/** Writes the block that an object set hangs on. */
export function writeObjset(output: PoolOutput, options: ObjsetOptions): WrittenObjset {
  const { type, flags, dnodes, accounting, usage } = options;
  const block = Buffer.alloc(OBJSET_SIZE);
  encodeDnode(block, { type: ObjectType.dnode, object: dnodes.metaDnode }, ObjsetField.metaDnode);
  putU64(block, type, ObjsetField.type);
  putU64(block, flags, ObjsetField.flags);
  if (accounting !== undefined) {
    encodeDnode(block, { type: ObjectType.userGroupUsed, object: accounting.users }, ObjsetField.userUsed);
    encodeDnode(block, { type: ObjectType.userGroupUsed, object: accounting.groups }, ObjsetField.groupUsed);
  }
  const pointer = output.put(block, { type: ObjectType.objset, level: 0, fill: dnodes.fill, usage });
  return { pointer, usage };
}
