import { randomBytes } from "node:crypto";
import { roundUp } from "../../support/bytes.ts";
import { CapstanError } from "../../support/errors.ts";
import type { Closable, WritableBlockDevice } from "../block-device.ts";
import { DiskFile } from "../disk-file.ts";
import { MappedWriter, writeSlotTable } from "../mapped/writer.ts";
import {
  BITMAP_SIZE,
  BLOCK_SIZE,
  encodeDynamicHeader,
  encodeFooter,
  FOOTER_SIZE,
  LARGEST,
  SECTOR,
  TABLE_OFFSET,
  UNALLOCATED,
  type VhdType,
} from "./layout.ts";

export interface VhdOptions {
  /** In bytes; rounded up to whole sectors of 512. Azure wants whole MiB. */
  readonly size: number;
  readonly type: VhdType;
  /** Of the creation, in seconds since 1970. */
  readonly time: number;
  /** 16 bytes by which disks are told apart; random ones without it. */
  readonly uuid?: Uint8Array | undefined;
  /** Whether flush waits for the disk (fsync); true unless said otherwise. */
  readonly sync?: boolean | undefined;
}

/** Creates a VHD disk at a path where nothing is yet. @throws CapstanError `disk-size`, `file-exists` */
export function createVhd(path: string, options: VhdOptions): WritableBlockDevice & Closable {
  const size = roundUp(options.size, SECTOR);
  if (!Number.isSafeInteger(options.size) || options.size < 0 || size > LARGEST) {
    throw new CapstanError(`A VHD disk cannot have ${options.size} bytes`, {
      code: "disk-size",
      hint: "Choose a size up to 2040 GiB.",
    });
  }
  const footer = encodeFooter({ ...options, size, uuid: options.uuid ?? randomBytes(16) });
  const format = options.type === "fixed" ? fixedFormat(size, footer) : dynamicFormat(size, footer);
  return new MappedWriter(DiskFile.create(path), format, options.sync ?? true);
}

type Format = ConstructorParameters<typeof MappedWriter>[1];

/** Each block at its own place: slots are not needed, so a block is as large as the disk. */
function fixedFormat(size: number, footer: Buffer): Format {
  return {
    size,
    blockSize: Math.max(BLOCK_SIZE, roundUp(size, BLOCK_SIZE)),
    position: () => 0,
    finish: (file) => {
      file.write(footer, size);
      return size + FOOTER_SIZE;
    },
  };
}

function dynamicFormat(size: number, footer: Buffer): Format {
  const entries = Math.ceil(size / BLOCK_SIZE);
  const dataOffset = TABLE_OFFSET + roundUp(entries * 4, SECTOR);
  const stride = BITMAP_SIZE + BLOCK_SIZE;
  const start = (slot: number) => dataOffset + slot * stride;
  return {
    size,
    blockSize: BLOCK_SIZE,
    position: (slot) => start(slot) + BITMAP_SIZE,
    begin: (file, slot) => file.write(FULL_BITMAP, start(slot)),
    finish: (file, { slots, map }) => {
      // The table fills whole sectors; what is behind its last entry is unallocated too.
      const length = roundUp(entries * 4, SECTOR) / 4;
      const table = { start: TABLE_OFFSET, length, empty: UNALLOCATED, order: "big" } as const;
      writeSlotTable(file, { ...table, value: (slot) => start(slot) / SECTOR }, map);
      file.write(encodeDynamicHeader(entries), FOOTER_SIZE);
      file.write(footer, 0);
      file.write(footer, start(slots));
      return start(slots) + FOOTER_SIZE;
    },
  };
}

const FULL_BITMAP = Buffer.alloc(BITMAP_SIZE, 0xff);
