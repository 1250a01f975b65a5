import type { DiskFile } from "../disk-file.ts";
import { MappedReader, NumberTable } from "../mapped/reader.ts";
import { DISCARDED, decodeHeader, HEADER_SIZE, UNALLOCATED, vdiDamaged } from "./layout.ts";

/** A VDI disk for reading, growing or of fixed size. Closes `file`. @throws CapstanError `vdi-damaged`, `vdi-unsupported` */
export function vdiDevice(file: DiskFile): MappedReader {
  const bytes = Buffer.alloc(Math.min(HEADER_SIZE, file.size));
  file.read(bytes, 0);
  const header = decodeHeader(bytes, file.path);
  const table = new NumberTable(file, { start: header.mapOffset, length: header.blocks, order: "little" });
  const fileSize = file.size;
  return new MappedReader(file, {
    size: header.size,
    blockSize: header.blockSize,
    find: (block) => {
      const value = table.get(block);
      if (value === UNALLOCATED || value === DISCARDED) return { kind: "zero" };
      const offset = header.dataOffset + value * (header.blockSize + header.blockExtra) + header.blockExtra;
      if (offset >= fileSize) throw vdiDamaged(file.path, `block ${block} lies behind the end of the file`);
      return { kind: "data", offset };
    },
  });
}
