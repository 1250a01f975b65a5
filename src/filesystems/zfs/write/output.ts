import { roundUp } from "../../../support/bytes.ts";
import type { CapstanError } from "../../../support/errors.ts";
import type { WritableDevice } from "../../device.ts";
import { type NewBlockPointer, uncompressedSize } from "../block-pointer.ts";
import { Fletcher4 } from "../fletcher4.ts";
import { Checksum, Compression, DATA_START, MAX_BLOCK_SIZE, SECTOR_SIZE } from "../layout.ts";
import type { Allocator } from "./allocator.ts";
import { compressZle } from "./zle.ts";

/** The transaction group in which everything is born. */
export const BIRTH = 4;

/** What the blocks of an object set take together, in bytes. */
export interface Usage {
  allocated: number;
  physical: number;
  logical: number;
}

export function noUsage(): Usage {
  return { allocated: 0, physical: 0, logical: 0 };
}

export interface BlockKind {
  /** Of `ObjectType`. */
  readonly type: number;
  readonly level: number;
  /** What a block counts for: data 1, dnodes and indirect blocks what they hold. */
  readonly fill: number;
  /** Where it is added up. */
  readonly usage: Usage;
  /** Whether to leave out zeros where that saves an eighth. */
  readonly compress?: boolean;
}

/**
 * Blocks on their way to the device: each is made in the memory of the checksum module, behind the one before it, and
 * many go out in one write.
 */
export class PoolOutput {
  readonly #device: WritableDevice;
  readonly #allocator: Allocator;
  readonly #fletcher = new Fletcher4(GATHER_SIZE + MAX_BLOCK_SIZE);
  readonly #scratch = Buffer.allocUnsafe(MAX_BLOCK_SIZE);
  readonly #memory: Buffer;
  readonly #full: () => CapstanError;
  /** Where on the device the first byte of the memory belongs, and how many have been gathered. */
  #start = DATA_START;
  #length = 0;

  /** `full` makes the error for the case that there is no more space. */
  constructor(device: WritableDevice, allocator: Allocator, full: () => CapstanError) {
    this.#device = device;
    this.#allocator = allocator;
    this.#full = full;
    const { buffer, byteOffset, length } = this.#fletcher.memory;
    this.#memory = Buffer.from(buffer, byteOffset, length);
  }

  /** The memory, in which from `stagingStart` on there is room for the largest block: to be filled before `takeStaged`. */
  get memory(): Buffer {
    return this.#memory;
  }

  /** Another one after each block. Calls of `put` overwrite what is there. */
  get stagingStart(): number {
    return this.#length;
  }

  /** How many bytes more are gathered before they go out. */
  get untilWrite(): number {
    return GATHER_SIZE - this.#length;
  }

  /** Writes the `size` bytes that are staged as a block. */
  takeStaged(size: number, kind: BlockKind): NewBlockPointer {
    let psize = size;
    if (kind.compress === true) {
      const staging = this.#memory.subarray(this.#length, this.#length + size);
      // The kernel does not take what saves less (zio_compress_data).
      const target = this.#scratch.subarray(0, roundDown(size - size / 8));
      const length = compressZle(staging, target);
      if (length !== undefined) {
        psize = roundUp(length, SECTOR_SIZE);
        staging.fill(0, length, psize);
        staging.set(target.subarray(0, length));
      }
    }
    return this.#commit(size, psize, kind);
  }

  /** Writes `bytes`, of which those missing to `size` are zeros, as a block. */
  put(bytes: Uint8Array, kind: BlockKind, size: number = bytes.length): NewBlockPointer {
    this.#memory.set(bytes, this.#length);
    this.#memory.fill(0, this.#length + bytes.length, this.#length + size);
    return this.takeStaged(size, kind);
  }

  /** Writes out what has been gathered. */
  finish(): void {
    if (this.#length > 0) this.#device.write(this.#memory.subarray(0, this.#length), this.#start);
    this.#start += this.#length;
    this.#length = 0;
  }

  #commit(lsize: number, psize: number, { type, level, fill, usage }: BlockKind): NewBlockPointer {
    const offset = this.#allocator.allocate(psize);
    if (offset === undefined) throw this.#full();
    const sum = new Uint8Array(32);
    this.#fletcher.sum(this.#length, psize, sum, 0);
    if (offset + DATA_START !== this.#start + this.#length) this.#moveTo(offset + DATA_START, psize);
    this.#length += psize;
    if (this.#length >= GATHER_SIZE) this.finish();
    usage.allocated += psize;
    usage.physical += psize;
    usage.logical += uncompressedSize({ level, type, lsize, psize });
    const compression = psize === lsize ? Compression.off : Compression.zle;
    return { offset, lsize, psize, compression, checksum: Checksum.fletcher4, type, level, birth: BIRTH, fill, sum };
  }

  /** What is staged goes on elsewhere. */
  #moveTo(start: number, staged: number): void {
    const from = this.#length;
    this.finish();
    this.#memory.copyWithin(0, from, from + staged);
    this.#start = start;
  }
}

const GATHER_SIZE = 4 * 2 ** 20;

function roundDown(size: number): number {
  return size - (size % SECTOR_SIZE);
}
