import { roundUp } from "../../../support/bytes.ts";
import { FAT_ZAP_BLOCK_SHIFT, SECTOR_SIZE } from "../layout.ts";
import { BlockTree, levelsFor } from "./block-tree.ts";
import type { PoolOutput, Usage } from "./output.ts";
import { planFatZap } from "./zap-fat.ts";
import { encodeMicroZap, fitsMicroZap } from "./zap-micro.ts";

export interface ZapEntry {
  readonly name: Uint8Array;
  readonly value: ZapValue;
}

/** One u64 (a number, or a bigint beyond 2^53), several u16, or a string. */
export type ZapValue = number | bigint | readonly number[] | string;

export interface ZapContent {
  readonly entries: readonly ZapEntry[];
  /** Not 0. */
  readonly salt: bigint;
  /** 2 for the names of snapshots: hashed in upper case. */
  readonly normFlags?: number;
}

/** An object as it lies in the pool: what its dnode says of it. */
export interface WrittenObject {
  readonly levels: number;
  readonly blockSize: number;
  readonly maxBlockId: number;
  readonly used: number;
  /** As many as `pointerCount` says. */
  readonly pointers: Buffer;
}

export interface ObjectKind {
  /** Of `ObjectType`. */
  readonly type: number;
  /** In the dnode. */
  readonly pointerCount: number;
  readonly usage: Usage;
}

/** Writes a ZAP: a micro one where that can hold the entries. */
export function writeZap(output: PoolOutput, content: ZapContent, kind: ObjectKind): WrittenObject {
  if (fitsMicroZap(content.entries)) return writeSingleBlock(output, encodeMicroZap(content), kind);
  const fat = planFatZap(content);
  const blocks = fat.blockCount;
  const levels = levelsFor(blocks, kind.pointerCount);
  const tree = new BlockTree(output, { ...kind, levels });
  for (const bytes of fat.blocks()) {
    tree.push(output.put(bytes, { ...kind, level: 0, fill: 1, compress: true }));
  }
  const { pointers } = tree.finish();
  return { levels, blockSize: 1 << FAT_ZAP_BLOCK_SHIFT, maxBlockId: blocks - 1, used: tree.used, pointers };
}

/** Writes an object of one block, in a block of `blockSize` or of just so many sectors. `plain`: without compression. */
export function writeSingleBlock(
  output: PoolOutput,
  bytes: Uint8Array,
  kind: ObjectKind & { readonly blockSize?: number; readonly plain?: boolean },
): WrittenObject {
  const blockSize = kind.blockSize ?? roundUp(bytes.length, SECTOR_SIZE);
  const tree = new BlockTree(output, { ...kind, levels: 1 });
  tree.push(
    output.put(
      bytes,
      { ...kind, level: 0, fill: 1, compress: blockSize > SECTOR_SIZE && kind.plain !== true },
      blockSize,
    ),
  );
  const { pointers } = tree.finish();
  return { levels: 1, blockSize, maxBlockId: 0, used: tree.used, pointers };
}
