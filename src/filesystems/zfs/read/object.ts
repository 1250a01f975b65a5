import type { BlockPointer } from "../block-pointer.ts";
import { bonusOffset, type DnodeHead, decodeDnodeHead, pointerOffset, SPILL_POINTER_OFFSET } from "../dnode.ts";
import { corrupt, unsupported } from "../errors.ts";
import {
  BLOCK_POINTER_SIZE,
  DNODE_SIZE,
  DnodeFlag,
  MAX_BLOCK_SIZE,
  OBJSET_OLD_SIZE,
  OBJSET_SIZE,
  ObjectType,
  ObjsetField,
} from "../layout.ts";
import { BlockReader } from "./block-reader.ts";

/** An object: a dnode and the blocks that it leads to. Errors of all methods: CapstanError `bad-zfs`, `zfs-feature`. */
export class ZfsObject {
  readonly head: DnodeHead;
  readonly bonus: Buffer;
  /** For messages. */
  readonly what: string;
  readonly #blocks: BlockReader;
  /** The 512 bytes; the caller's block of dnodes may be evicted, so they are a copy. */
  readonly #dnode: Buffer;

  constructor(blocks: BlockReader, dnode: Buffer, what: string) {
    this.#blocks = blocks;
    this.#dnode = Buffer.from(dnode);
    this.what = what;
    this.head = checkHead(this.#dnode, what);
    const start = bonusOffset(this.head);
    this.bonus = this.#dnode.subarray(start, start + this.head.bonusLength);
  }

  /** As far as its blocks go; what the object means to hold may be less. */
  get size(): number {
    return (this.head.maxBlockId + 1) * this.head.blockSize;
  }

  /** Where attributes that have no room in the bonus lie. */
  spill(): Buffer | undefined {
    const pointer = this.spillPointer();
    return pointer && this.#blocks.metadata(pointer, this.what);
  }

  spillPointer(): BlockPointer | undefined {
    if ((this.head.flags & DnodeFlag.spill) === 0) return undefined;
    const pointer = BlockReader.pointer(this.#dnode, SPILL_POINTER_OFFSET, this.what);
    if (pointer !== undefined && pointer.level !== 0) corrupt(`the spill block of ${this.what} has a level`);
    return pointer;
  }

  /** The block pointers of the dnode itself; undefined for holes. */
  topPointers(): readonly (BlockPointer | undefined)[] {
    return Array.from({ length: this.head.pointerCount }, (_, index) => {
      const pointer = BlockReader.pointer(this.#dnode, pointerOffset(index), this.what);
      return this.checked(pointer, this.head.levels - 1);
    });
  }

  /** A pointer of this object at its level, when it says that itself; so no pointer leads in a circle. */
  checked(pointer: BlockPointer | undefined, level: number): BlockPointer | undefined {
    if (pointer === undefined) return undefined;
    const size = level === 0 ? this.head.blockSize : 2 ** this.head.indirectShift;
    if (pointer.level !== level || pointer.lsize !== size || pointer.type !== this.head.type) {
      corrupt(`a block pointer of ${this.what} is of another object or level`);
    }
    return pointer;
  }

  /** The pointers in an indirect block at `level`; undefined for holes. */
  children(pointer: BlockPointer): readonly (BlockPointer | undefined)[] {
    const block = this.#blocks.metadata(pointer, this.what);
    return Array.from({ length: block.length / BLOCK_POINTER_SIZE }, (_, index) =>
      this.checked(BlockReader.pointer(block, index * BLOCK_POINTER_SIZE, this.what), pointer.level - 1),
    );
  }

  /** The pointer to a block of data; undefined for a hole, and behind the last block. */
  pointerOf(blockId: number): BlockPointer | undefined {
    if (blockId > this.head.maxBlockId) return undefined;
    const perBlock = 2 ** this.head.indirectShift / BLOCK_POINTER_SIZE;
    let level = this.head.levels - 1;
    let span = perBlock ** level;
    const top = Math.floor(blockId / span);
    if (top >= this.head.pointerCount) corrupt(`${this.what} has more blocks than its levels can hold`);
    let pointer = this.checked(BlockReader.pointer(this.#dnode, pointerOffset(top), this.what), level);
    while (pointer !== undefined && level > 0) {
      const block = this.#blocks.metadata(pointer, this.what);
      level--;
      span /= perBlock;
      const index = Math.floor(blockId / span) % perBlock;
      pointer = this.checked(BlockReader.pointer(block, index * BLOCK_POINTER_SIZE, this.what), level);
    }
    return pointer;
  }

  /** A block of metadata, not to be written to; undefined for a hole. */
  block(blockId: number): Buffer | undefined {
    const pointer = this.pointerOf(blockId);
    return pointer && this.#blocks.metadata(pointer, this.what);
  }

  /** Fills `target` from `offset`, with zeros for holes and behind the last block. */
  read(target: Uint8Array, offset: number): void {
    const { blockSize } = this.head;
    for (let done = 0; done < target.length; ) {
      const blockId = Math.floor((offset + done) / blockSize);
      const within = offset + done - blockId * blockSize;
      const part = target.subarray(done, done + Math.min(blockSize - within, target.length - done));
      this.#readPart(part, blockId, within);
      done += part.length;
    }
  }

  #readPart(part: Uint8Array, blockId: number, within: number): void {
    const pointer = this.pointerOf(blockId);
    if (pointer === undefined) {
      part.fill(0);
    } else if (within === 0) {
      this.#blocks.read(pointer, part, this.what);
    } else {
      const whole = Buffer.allocUnsafeSlow(pointer.lsize);
      this.#blocks.read(pointer, whole, this.what);
      part.set(whole.subarray(within, within + part.length));
    }
  }
}

/** A set of objects: the MOS, or a data set. */
export class Objset {
  readonly blocks: BlockReader;
  /** Of `ObjsetType`. */
  readonly type: number;
  /** The array of all dnodes. */
  readonly meta: ZfsObject;
  /** Undefined where there is no accounting. */
  readonly userUsed: ZfsObject | undefined;
  readonly groupUsed: ZfsObject | undefined;
  /** The objset block. */
  readonly block: Buffer;
  readonly what: string;
  /** Neighbours are asked for one after the other: their block need not be searched for again. */
  #latest: { readonly id: number; readonly block: Buffer | undefined } | undefined;

  constructor(blocks: BlockReader, pointer: BlockPointer, what: string) {
    if (pointer.level !== 0 || pointer.type !== ObjectType.objset) corrupt(`${what} is no set of objects`);
    this.blocks = blocks;
    this.what = what;
    this.block = blocks.metadata(pointer, what);
    if (this.block.length < OBJSET_OLD_SIZE) corrupt(`the header of ${what} is too short`);
    this.type = this.block.readUInt32LE(ObjsetField.type);
    const meta = embedded(this, ObjsetField.metaDnode, `the objects of ${what}`);
    if (meta?.head.type !== ObjectType.dnode) corrupt(`${what} has no array of objects`);
    if (meta.head.blockSize % DNODE_SIZE !== 0) corrupt(`the objects of ${what} are of an odd size`);
    this.meta = meta;
    const isLong = this.block.length >= OBJSET_SIZE;
    this.userUsed = isLong ? embedded(this, ObjsetField.userUsed, `the users of ${what}`) : undefined;
    this.groupUsed = isLong ? embedded(this, ObjsetField.groupUsed, `the groups of ${what}`) : undefined;
  }

  /** The object of this number; CapstanError `bad-zfs` when there is none, or one of another type. */
  object(number: number, type?: number): ZfsObject {
    const object = this.find(number);
    if (object === undefined) return corrupt(`object ${number} of ${this.what} is missing`);
    if (type !== undefined && object.head.type !== type) {
      corrupt(`object ${number} of ${this.what} has type ${object.head.type}, not ${type}`);
    }
    return object;
  }

  /** Undefined for a number that is free. */
  find(number: number): ZfsObject | undefined {
    const perBlock = this.meta.head.blockSize / DNODE_SIZE;
    if (number < 1 || !Number.isSafeInteger(number)) return undefined;
    const block = this.#dnodes(Math.floor(number / perBlock));
    const at = (number % perBlock) * DNODE_SIZE;
    if (block === undefined || block[at] === ObjectType.none) return undefined;
    return new ZfsObject(this.blocks, block.subarray(at, at + DNODE_SIZE), `object ${number} of ${this.what}`);
  }

  #dnodes(id: number): Buffer | undefined {
    if (this.#latest?.id !== id) this.#latest = { id, block: this.meta.block(id) };
    return this.#latest.block;
  }
}

function embedded(objset: Objset, at: number, what: string): ZfsObject | undefined {
  if (objset.block[at] === ObjectType.none) return undefined;
  return new ZfsObject(objset.blocks, objset.block.subarray(at, at + DNODE_SIZE), what);
}

/** Enough for 2^64 bytes in blocks of 512 with indirect blocks of 1 KiB. */
const MAX_LEVELS = 20;

function checkHead(dnode: Buffer, what: string): DnodeHead {
  const head = decodeDnodeHead(dnode, 0) ?? corrupt(`a size of ${what} is beyond any disk`);
  if (head.extraSlots !== 0) unsupported("it has large dnodes (feature org.zfsonlinux:large_dnode)");
  const { indirectShift, levels, pointerCount, blockSize, bonusLength, maxBlockId } = head;
  const room = DNODE_SIZE - (head.flags & DnodeFlag.spill ? BLOCK_POINTER_SIZE : 0);
  if (pointerCount < 1 || pointerCount > 3 || bonusOffset(head) + bonusLength > room) {
    corrupt(`${what} has ${pointerCount} block pointers and a bonus of ${bonusLength} bytes`);
  }
  if (levels < 1 || levels > MAX_LEVELS || indirectShift < 10 || indirectShift > 17) {
    corrupt(`${what} has ${levels} levels of blocks of 2^${indirectShift} bytes`);
  }
  if (blockSize === 0) corrupt(`${what} has blocks without bytes`);
  if (blockSize > MAX_BLOCK_SIZE) unsupported("it has blocks larger than 128 KiB (feature org.open-zfs:large_blocks)");
  if (!Number.isSafeInteger((maxBlockId + 1) * blockSize)) corrupt(`${what} is larger than any disk`);
  return head;
}
