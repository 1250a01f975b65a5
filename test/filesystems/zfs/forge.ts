import { decodeBlockPointer, encodeBlockPointer } from "../../../src/filesystems/zfs/block-pointer.ts";
import { bonusOffset, decodeDnodeHead, pointerOffset } from "../../../src/filesystems/zfs/dnode.ts";
import { fletcher4 } from "../../../src/filesystems/zfs/fletcher4.ts";
import { labelOffsets, uberblockOffset } from "../../../src/filesystems/zfs/geometry.ts";
import { DATA_START, DslDatasetField } from "../../../src/filesystems/zfs/layout.ts";
import { openPool, type Pool } from "../../../src/filesystems/zfs/read/pool.ts";
import { sealArea } from "../../../src/filesystems/zfs/uberblock.ts";
import type { MemoryDevice } from "../../support/memory-device.ts";

/** What is changed: bytes of a dnode, or of a block of its object. */
export interface Forgery {
  /** The MOS, or the file system of the first data set. */
  readonly in: "mos" | "files";
  readonly object: number;
  readonly dnode?: (dnode: Buffer) => void;
  readonly block?: readonly [blockId: number, change: (block: Buffer) => void];
}

/**
 * Changes a pool so that only what it says is wrong: all checksums on the way from the labels are made anew. Blocks that
 * change go, uncompressed, to the end of the data area.
 */
export function forge(device: MemoryDevice, forgery: Forgery): void {
  new Forger(device).apply(forgery);
}

class Forger {
  readonly #device: MemoryDevice;
  readonly #pool: Pool;
  #end: number;

  constructor(device: MemoryDevice) {
    this.#device = device;
    this.#pool = openPool(device);
    this.#end = this.#pool.label.asize;
  }

  apply(forgery: Forgery): void {
    const change = (objset: Buffer): void => {
      this.#throughMeta(objset, forgery.object, (dnode) => {
        forgery.dnode?.(dnode);
        if (forgery.block !== undefined) this.#throughObject(dnode, ...forgery.block);
      });
    };
    const dataset = this.#pool.datasets[0];
    if (dataset === undefined) throw new Error("no data set");
    const changeMos = (mos: Buffer): void => {
      this.#throughMeta(mos, dataset.object, (dnode) => {
        const head = decodeDnodeHead(dnode, 0);
        if (head !== undefined) this.#throughPointer(dnode, bonusOffset(head) + DslDatasetField.blockPointer, change);
      });
    };
    for (const label of labelOffsets(this.#device.size)) {
      const place = uberblockOffset(label, this.#pool.uberblock.txg);
      const slot = Buffer.from(this.#device.bytes.subarray(place, place + 1024));
      this.#throughPointer(slot, 40, forgery.in === "mos" ? change : changeMos);
      sealArea(slot, place);
      this.#device.bytes.set(slot, place);
    }
  }

  /** The meta dnode is the first of an objset block. */
  #throughMeta(objset: Buffer, object: number, change: (dnode: Buffer) => void): void {
    const meta = objset.subarray(0, 512);
    const at = (object % 32) * 512;
    this.#throughObject(meta, Math.floor(object / 32), (block) => change(block.subarray(at, at + 512)));
  }

  #throughObject(dnode: Buffer, blockId: number, change: (block: Buffer) => void): void {
    const levels = dnode[2] ?? 1;
    const span = 128 ** (levels - 1);
    const down = (block: Buffer, at: number, level: number): void =>
      this.#throughPointer(block, at, (child) => {
        if (level === 0) change(child);
        else down(child, 128 * (Math.floor(blockId / 128 ** (level - 1)) % 128), level - 1);
      });
    down(dnode, pointerOffset(Math.floor(blockId / span)), levels - 1);
  }

  #throughPointer(holder: Buffer, at: number, change: (block: Buffer) => void): void {
    const pointer = decodeBlockPointer(holder, at);
    if (pointer === undefined || pointer === "bad" || "embedded" in pointer) throw new Error("no block to forge");
    const block = Buffer.from(this.#pool.blocks.metadata(pointer, "a forgery"));
    change(block);
    this.#end -= block.length;
    this.#device.bytes.set(block, DATA_START + this.#end);
    const { lsize, checksum, type, level, birth, fill } = pointer;
    const sum = fletcher4(block);
    const forged = { lsize, psize: lsize, compression: 2, checksum, type, level, birth, fill, sum, offset: this.#end };
    encodeBlockPointer(holder, forged, at);
  }
}
