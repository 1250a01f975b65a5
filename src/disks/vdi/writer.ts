import { randomBytes } from "node:crypto";
import { KiB, roundUp } from "../../support/bytes.ts";
import { CapstanError } from "../../support/errors.ts";
import type { Closable, WritableBlockDevice } from "../block-device.ts";
import { DiskFile } from "../disk-file.ts";
import { MappedWriter, writeSlotTable } from "../mapped/writer.ts";
import { BLOCK_SIZE, encodeHeader, HEADER_SIZE, UNALLOCATED } from "./layout.ts";

export interface VdiOptions {
  /** In bytes; rounded up to whole sectors of 512. */
  readonly size: number;
  /** 16 bytes by which VirtualBox tells disks apart; random ones without it. */
  readonly uuid?: Uint8Array | undefined;
  /** Whether flush waits for the disk (fsync); true unless said otherwise. */
  readonly sync?: boolean | undefined;
}

/** The map of a disk of this size has 2^26 entries, which is what the offsets of the header can hold with ease. */
const LARGEST = 64 * 2 ** 40;

/** Creates a growing VDI disk at a path where nothing is yet. @throws CapstanError `disk-size`, `file-exists` */
export function createVdi(path: string, options: VdiOptions): WritableBlockDevice & Closable {
  const size = roundUp(options.size, 512);
  if (!Number.isSafeInteger(options.size) || options.size < 0 || size > LARGEST) {
    throw new CapstanError(`A VDI disk cannot have ${options.size} bytes`, {
      code: "disk-size",
      hint: "Choose a size up to 64 TiB.",
    });
  }
  const blocks = Math.ceil(size / BLOCK_SIZE);
  const mapOffset = HEADER_SIZE;
  const dataOffset = roundUp(mapOffset + blocks * 4, 4 * KiB);
  const uuid = options.uuid ?? randomUuid();
  const position = (slot: number) => dataOffset + slot * BLOCK_SIZE;
  const format = {
    size,
    blockSize: BLOCK_SIZE,
    position,
    finish: (file: DiskFile, { slots, map }: Parameters<Finish>[1]) => {
      const table = {
        start: mapOffset,
        length: blocks,
        empty: UNALLOCATED,
        order: "little",
        value: (slot: number) => slot,
      } as const;
      writeSlotTable(file, table, map);
      file.write(encodeHeader({ size, blocks, allocated: slots, mapOffset, dataOffset, uuid }), 0);
      return position(slots);
    },
  };
  return new MappedWriter(DiskFile.create(path), format, options.sync ?? true);
}

type Finish = ConstructorParameters<typeof MappedWriter>[1]["finish"];

/** Version 4 (RFC 9562), in the byte order of Microsoft's GUIDs that VirtualBox uses. */
function randomUuid(): Uint8Array {
  const uuid = randomBytes(16);
  uuid[7] = ((uuid[7] ?? 0) & 0x0f) | 0x40;
  uuid[8] = ((uuid[8] ?? 0) & 0x3f) | 0x80;
  return uuid;
}
