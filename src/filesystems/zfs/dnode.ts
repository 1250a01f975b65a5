import { asBuffer, getU64, putU64 } from "./integers.ts";
import {
  BLOCK_POINTER_SIZE,
  DNODE_HEAD_SIZE,
  DNODE_SIZE,
  DNODE_SPILL_OFFSET,
  MAX_BONUS,
  SECTOR_SIZE,
} from "./layout.ts";

/** The fixed head of a dnode (dnode_phys_t). Its block pointers follow at 64, then the bonus. */
export interface DnodeHead {
  /** Of `ObjectType`; 0 is a free slot. */
  readonly type: number;
  /** Of the size of its indirect blocks. */
  readonly indirectShift: number;
  /** 1: the pointers of the dnode lead to data. */
  readonly levels: number;
  /** Pointers in the dnode: 1 to 3. */
  readonly pointerCount: number;
  readonly bonusType: number;
  /** 0: inherited. */
  readonly checksum: number;
  readonly compression: number;
  /** Of `DnodeFlag`. */
  readonly flags: number;
  /** In bytes, a multiple of 512. */
  readonly blockSize: number;
  readonly bonusLength: number;
  /** Further slots of 512 bytes that it takes (feature large_dnode); 0 in OSv. */
  readonly extraSlots: number;
  readonly maxBlockId: number;
  /** Bytes allocated with flag `usedInBytes`, else sectors. */
  readonly used: number;
}

export type NewDnodeHead = Omit<DnodeHead, "extraSlots" | "checksum" | "compression">;

/** Writes the head, and zeros in the rest of the 512 bytes. */
export function encodeDnodeHead(target: Buffer, head: NewDnodeHead, at: number): void {
  target.fill(0, at, at + DNODE_SIZE);
  target[at] = head.type;
  target[at + 1] = head.indirectShift;
  target[at + 2] = head.levels;
  target[at + 3] = head.pointerCount;
  target[at + 4] = head.bonusType;
  target[at + 7] = head.flags;
  target.writeUInt16LE(head.blockSize / SECTOR_SIZE, at + 8);
  target.writeUInt16LE(head.bonusLength, at + 10);
  putU64(target, head.maxBlockId, at + 16);
  putU64(target, head.used, at + 24);
}

/** Undefined when a number is beyond 2^53. Nothing else is checked. */
export function decodeDnodeHead(source: Uint8Array, at: number): DnodeHead | undefined {
  const bytes = asBuffer(source);
  const maxBlockId = getU64(bytes, at + 16);
  const used = getU64(bytes, at + 24);
  if (maxBlockId === undefined || used === undefined) return undefined;
  return {
    type: bytes.readUInt8(at),
    indirectShift: bytes.readUInt8(at + 1),
    levels: bytes.readUInt8(at + 2),
    pointerCount: bytes.readUInt8(at + 3),
    bonusType: bytes.readUInt8(at + 4),
    checksum: bytes.readUInt8(at + 5),
    compression: bytes.readUInt8(at + 6),
    flags: bytes.readUInt8(at + 7),
    blockSize: bytes.readUInt16LE(at + 8) * SECTOR_SIZE,
    bonusLength: bytes.readUInt16LE(at + 10),
    extraSlots: bytes.readUInt8(at + 12),
    maxBlockId,
    used,
  };
}

/** Where the n-th block pointer of a dnode lies in it. */
export function pointerOffset(index: number): number {
  return DNODE_HEAD_SIZE + index * BLOCK_POINTER_SIZE;
}

export function bonusOffset(head: Pick<DnodeHead, "pointerCount">): number {
  return pointerOffset(head.pointerCount);
}

export const SPILL_POINTER_OFFSET = DNODE_SPILL_OFFSET;

/** How many pointers the kernel gives a dnode: SA bonuses leave room to grow (dnode_allocate). */
export function pointerCountFor(bonus: "sa" | number): number {
  return bonus === "sa" ? 1 : 1 + ((MAX_BONUS - bonus) >> 7);
}
