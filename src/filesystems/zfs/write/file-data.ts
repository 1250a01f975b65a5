import { isZero, roundUp } from "../../../support/bytes.ts";
import type { Run } from "../../reuse.ts";
import type { NewBlockPointer } from "../block-pointer.ts";
import { DATA_START, MAX_BLOCK_SIZE, ObjectType, SECTOR_SIZE } from "../layout.ts";
import { BlockTree, levelsFor } from "./block-tree.ts";
import type { ObjectTable } from "./object-table.ts";
import type { PoolOutput, Usage } from "./output.ts";

export interface FileDataOptions {
  readonly output: PoolOutput;
  /** Of each file. */
  readonly sizes: readonly number[];
  readonly usage: Usage;
  /** Takes what becomes of each file that is not empty. */
  readonly objects: ObjectTable;
  /** The place of each file in it. */
  readonly places: readonly number[];
  /** Is filled: where on the device the bytes of each file lie in one piece and as they are; negative where they do not. */
  readonly starts: Float64Array;
}

/** The block size of a file of this size: one block of whole sectors, or many of 128 KiB. */
export function fileBlockSize(size: number): number {
  return size <= MAX_BLOCK_SIZE ? Math.max(SECTOR_SIZE, roundUp(size, SECTOR_SIZE)) : MAX_BLOCK_SIZE;
}

/** How much a file of this size takes where no block of it is a hole or compressed. */
export function spanOf(size: number): number {
  return roundUp(size, fileBlockSize(size));
}

/**
 * The contents of files, cut into blocks. The bytes of one file come in order; when those of another come in between,
 * the block that is not full is put aside.
 */
export class FileData {
  readonly #options: FileDataOptions;
  readonly #open = new Map<number, OpenFile>();
  #current: OpenFile | undefined;

  constructor(options: FileDataOptions) {
    this.#options = options;
  }

  write(index: number, chunk: Uint8Array): void {
    const file = this.#current?.index === index ? this.#current : this.#switchTo(index);
    const { output } = this.#options;
    for (let done = 0; done < chunk.length; ) {
      const part = chunk.subarray(done, done + Math.min(file.blockSize - file.filled, file.size - file.done));
      output.memory.set(part, output.stagingStart + file.filled);
      file.filled += part.length;
      file.done += part.length;
      done += part.length;
      if (file.done === file.size || file.filled === file.blockSize) this.#endBlock(file);
    }
    if (file.done === file.size) this.#endFile(file);
  }

  /** Takes files of an older pool, which are written as if their bytes came now. */
  *copy({ device, place, indexes, length }: Run): Generator<number, void, undefined> {
    const { output } = this.#options;
    const end = place + length;
    let at = place;
    let ready = 0;
    for (const index of indexes) {
      const file = this.#switchTo(index);
      const { blockSize } = file;
      while (file.done < file.size) {
        const start = output.stagingStart;
        if (ready < blockSize) {
          ready = Math.min(end - at, Math.max(output.untilWrite, blockSize));
          device.read(output.memory.subarray(start, start + ready), at);
          yield ready;
        }
        file.filled = Math.min(blockSize, file.size - file.done);
        file.done += file.filled;
        this.#endBlock(file);
        at += blockSize;
        // What was read ahead is behind the block, unless that was a hole, or went elsewhere.
        ready = output.stagingStart === start + blockSize ? ready - blockSize : 0;
      }
      const after = output.stagingStart;
      this.#endFile(file);
      // Its indirect blocks were put where that lay.
      if (output.stagingStart !== after) ready = 0;
    }
  }

  /** The bytes of the block that is being filled. */
  #staged(length: number): Buffer {
    const { memory, stagingStart } = this.#options.output;
    return memory.subarray(stagingStart, stagingStart + length);
  }

  #switchTo(index: number): OpenFile {
    const { output, sizes, usage } = this.#options;
    const before = this.#current;
    if (before !== undefined) before.aside = Buffer.from(this.#staged(before.filled));
    let file = this.#open.get(index);
    if (file === undefined) {
      const size = sizes[index] ?? 0;
      const blockSize = fileBlockSize(size);
      const levels = levelsFor(Math.ceil(size / blockSize), 1);
      const tree =
        levels === 1
          ? undefined
          : new BlockTree(output, { type: ObjectType.plainFile, levels, usage, pointerCount: 1 });
      file = { index, size, blockSize, levels, tree, done: 0, filled: 0, aside: undefined };
      this.#open.set(index, file);
    } else if (file.aside !== undefined) {
      output.memory.set(file.aside, output.stagingStart);
      file.aside = undefined;
    }
    this.#current = file;
    return file;
  }

  #endBlock(file: OpenFile): void {
    const { output, usage } = this.#options;
    const block = this.#staged(file.blockSize);
    // Of the last block of several, much may be zeros: those need not take space.
    const compress = file.filled < file.blockSize && file.blockSize === MAX_BLOCK_SIZE;
    block.fill(0, file.filled);
    const before = file.done - file.filled;
    file.filled = 0;
    const kind = { type: ObjectType.plainFile, level: 0, fill: 1, usage, compress };
    const pointer = isZero(block) ? undefined : output.takeStaged(file.blockSize, kind);
    this.#noteStart(file.index, pointer, before);
    if (file.tree !== undefined) file.tree.push(pointer);
    else this.#options.objects.setBlock(this.#options.places[file.index] ?? 0, pointer, file.blockSize);
  }

  /** `before` is how many bytes of the file come before those of the block. */
  #noteStart(index: number, pointer: NewBlockPointer | undefined, before: number): void {
    const { starts } = this.#options;
    const isPlain = pointer !== undefined && pointer.psize === pointer.lsize;
    const start = isPlain ? DATA_START + pointer.offset - before : -1;
    starts[index] = before === 0 || starts[index] === start ? start : -1;
  }

  #endFile({ index, size, blockSize, levels, tree }: OpenFile): void {
    this.#open.delete(index);
    this.#current = undefined;
    if (tree === undefined) return;
    const { pointers } = tree.finish();
    const maxBlockId = Math.ceil(size / blockSize) - 1;
    const { objects, places } = this.#options;
    objects.set(places[index] ?? 0, { levels, blockSize, maxBlockId, used: tree.used, pointers });
  }
}

interface OpenFile {
  readonly index: number;
  readonly size: number;
  readonly blockSize: number;
  readonly levels: number;
  /** Undefined for one of a single block. */
  readonly tree: BlockTree | undefined;
  /** Bytes of the file that have come. */
  done: number;
  /** Of these, in the block that is being filled. */
  filled: number;
  /** That block, while another file is written. */
  aside: Buffer | undefined;
}
