import { roundUp } from "../../support/bytes.ts";
import { type BlockDevice, type Closable, ReadWindow } from "../block-device.ts";
import type { DiskFile } from "../disk-file.ts";
import { MappedReader, NumberTable } from "../mapped/reader.ts";
import { rawDevice } from "../raw.ts";
import {
  decodeDynamicHeader,
  decodeFooter,
  FOOTER_SIZE,
  HEADER_SIZE,
  SECTOR,
  UNALLOCATED,
  type VhdFooter,
  vhdDamaged,
} from "./layout.ts";

/** A VHD disk for reading, fixed or growing. Closes `file`. @throws CapstanError `vhd-damaged`, `vhd-unsupported` */
export function vhdDevice(file: DiskFile): BlockDevice & Closable {
  const footer = readFooter(file);
  return footer.type === "fixed" ? fixedDevice(file, footer) : dynamicDevice(file, footer);
}

/** Its last sector; a growing disk whose end was cut off has a copy at its start. */
function readFooter(file: DiskFile): VhdFooter {
  const { size, path } = file;
  const bytes = Buffer.alloc(FOOTER_SIZE);
  if (size < FOOTER_SIZE) throw vhdDamaged(path, "it is shorter than its footer");
  file.read(bytes, size - FOOTER_SIZE);
  try {
    return decodeFooter(bytes, path);
  } catch (error) {
    file.read(bytes, 0);
    const isCopy = bytes.toString("latin1", 0, 8) === "conectix";
    const footer = isCopy ? decodeFooter(bytes, path) : undefined;
    if (footer?.type !== "dynamic") throw error;
    return footer;
  }
}

function fixedDevice(file: DiskFile, { size }: VhdFooter): BlockDevice & Closable {
  if (size > file.size - FOOTER_SIZE) throw vhdDamaged(file.path, `it is too short for a disk of ${size} bytes`);
  const window = new ReadWindow(rawDevice(file), 0, size);
  return { size, read: (target, offset) => window.read(target, offset), close: () => file.close() };
}

function dynamicDevice(file: DiskFile, { size, headerOffset }: VhdFooter): MappedReader {
  const bytes = Buffer.alloc(HEADER_SIZE);
  if (!Number.isSafeInteger(headerOffset)) throw vhdDamaged(file.path, "its header lies nowhere");
  file.read(bytes, headerOffset);
  const { tableOffset, entries, blockSize } = decodeDynamicHeader(bytes, { path: file.path, size });
  const table = new NumberTable(file, { start: tableOffset, length: entries, order: "big" });
  const bitmapSize = roundUp(blockSize / SECTOR / 8, SECTOR);
  const fileSize = file.size;
  return new MappedReader(file, {
    size,
    blockSize,
    find: (block) => {
      const sector = table.get(block);
      if (sector === UNALLOCATED) return { kind: "zero" };
      // Sectors that the bitmap does not name were never written, and are zero in the file: a disk without a parent needs no look.
      const offset = sector * SECTOR + bitmapSize;
      if (offset >= fileSize) throw vhdDamaged(file.path, `block ${block} lies behind the end of the file`);
      return { kind: "data", offset };
    },
  });
}
