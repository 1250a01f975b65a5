import { type BlockPointer, uncompressedSize } from "../block-pointer.ts";
import { DNODE_SIZE, DnodeFlag, ObjectType, SECTOR_SIZE } from "../layout.ts";
import { Objset, type ZfsObject } from "../read/object.ts";
import type { Pool } from "../read/pool.ts";
import type { Problems } from "./problems.ts";
import type { Space } from "./space.ts";

/** Bytes of blocks: on disk with all copies, on disk once, and unpacked as ZFS counts it. */
export interface Sums {
  allocated: number;
  stored: number;
  unpacked: number;
  fill: number;
}

/** What an object takes; the sizes are in its head. */
export interface CheckedObject {
  readonly number: number;
  readonly object: ZfsObject;
  readonly sums: Sums;
}

/** Visits every block of a pool: each copy is read and verified, and its space claimed. */
export class Traversal {
  blockCount = 0;
  readonly #pool: Pool;
  readonly #space: Space;
  readonly #problems: Problems;
  /** By the place of the first copy: in which set of objects a block was seen last. */
  readonly #seen = new Map<number, Objset | undefined>();

  constructor(pool: Pool, space: Space, problems: Problems) {
    this.#pool = pool;
    this.#space = space;
    this.#problems = problems;
  }

  /** All objects of a set, and what the set takes in total. Undefined when it cannot be read. */
  objset(pointer: BlockPointer, what: string): { objset: Objset; objects: CheckedObject[]; sums: Sums } | undefined {
    const objset = this.#problems.guard(() => new Objset(this.#pool.blocks, pointer, what));
    if (objset === undefined) return undefined;
    const sums = noSums();
    this.#block(pointer, sums, { objset, what });
    const objects: CheckedObject[] = [];
    const meta = this.#object(objset.meta, objset, (block, blockId) => {
      const perBlock = objset.meta.head.blockSize / DNODE_SIZE;
      let count = 0;
      for (let index = 0; index < perBlock; index++) {
        if (block[index * DNODE_SIZE] === ObjectType.none) continue;
        count++;
        const number = blockId * perBlock + index;
        const object = this.#problems.guard(() => objset.find(number));
        if (object !== undefined) objects.push({ number, object, sums: this.#object(object, objset) });
      }
      return count;
    });
    const accounts = [objset.userUsed, objset.groupUsed].filter((object) => object !== undefined);
    const all = [
      meta,
      ...accounts.map((object) => this.#object(object, objset)),
      ...objects.map((object) => object.sums),
    ];
    for (const part of all) addSums(sums, part);
    sums.fill = meta.fill;
    return { objset, objects, sums };
  }

  /** Takes the space of a block that is nowhere in a tree any more, but not free yet. */
  claimFreed(pointer: BlockPointer, what: string): void {
    this.#claim(pointer, what);
  }

  /** `visit` gets blocks of data, and gives their fill; else it is 1. */
  #object(object: ZfsObject, objset: Objset, visit?: (block: Buffer, blockId: number) => number): Sums {
    const sums = noSums();
    const { head, what } = object;
    const perBlock = 2 ** (head.indirectShift - 7);
    const down = (pointer: BlockPointer, blockId: number): number => {
      if (!this.#block(pointer, sums, { objset, what })) return pointer.fill;
      let fill = 1;
      if (pointer.level === 0) {
        if (blockId > head.maxBlockId) this.#problems.add(`${what} has a block ${blockId} behind its last`);
        if (visit !== undefined) fill = visit(this.#pool.blocks.metadata(pointer, what), blockId);
      } else {
        fill = 0;
        for (const [index, child] of object.children(pointer).entries()) {
          if (child !== undefined) fill += this.#problems.guard(() => down(child, blockId * perBlock + index)) ?? 0;
        }
      }
      this.#problems.same(pointer.fill, fill, `a block of level ${pointer.level} of ${what} says its fill`);
      return fill;
    };
    this.#problems.guard(() => {
      for (const [index, pointer] of object.topPointers().entries()) {
        if (pointer !== undefined) sums.fill += down(pointer, index);
      }
      const spill = object.spillPointer();
      if (spill !== undefined) this.#block(spill, sums, { objset, what });
    });
    const used = (head.flags & DnodeFlag.usedInBytes) !== 0 ? head.used : head.used * SECTOR_SIZE;
    this.#problems.same(used, sums.allocated, `${what} says how much it takes`);
    return sums;
  }

  /** Whether what is below it should be looked at. */
  #block(pointer: BlockPointer, sums: Sums, { objset, what }: { objset: Objset; what: string }): boolean {
    const place = pointer.dvas[0]?.offset ?? -1;
    for (const dva of pointer.dvas) sums.allocated += dva.asize;
    sums.stored += pointer.psize;
    sums.unpacked += uncompressedSize(pointer);
    const { txg } = this.#pool.uberblock;
    if (pointer.birth > txg) this.#problems.add(`a block of ${what} is born in ${pointer.birth}, after ${txg}`);
    if (!this.#seen.has(place)) {
      this.#claim(pointer, what);
      const unsound = this.#problems.guard(() => this.#pool.blocks.unsoundCopies(pointer, what)) ?? [];
      for (const copy of unsound) this.#problems.add(`copy ${copy} of a block of ${what} has a wrong checksum`);
      if (unsound.length === pointer.dvas.length) return false;
      this.blockCount++;
    } else if (this.#seen.get(place) === objset) {
      // Data sets share blocks with their snapshots, but none has a block twice.
      this.#problems.add(`a block of ${what} at ${place} belongs to two places`);
      return false;
    }
    this.#seen.set(place, objset);
    return true;
  }

  #claim(pointer: BlockPointer, what: string): void {
    for (const dva of pointer.dvas) {
      if (!this.#space.fits(dva.offset, dva.asize)) {
        this.#problems.add(`a block of ${what} of ${dva.asize} bytes at ${dva.offset} crosses a metaslab`);
      } else if (!this.#space.set(dva.offset, dva.asize, true)) {
        this.#problems.add(`a block of ${what} at ${dva.offset} overlaps another`);
      }
      if (!dva.gang) continue;
      for (const piece of this.#pool.blocks.gangPieces(pointer, dva) ?? []) {
        if (piece.psize < pointer.psize) this.#claim(piece, what);
      }
    }
  }
}

function noSums(): Sums {
  return { allocated: 0, stored: 0, unpacked: 0, fill: 0 };
}

function addSums(to: Sums, more: Sums): void {
  to.allocated += more.allocated;
  to.stored += more.stored;
  to.unpacked += more.unpacked;
}
