import { inflateSync } from "node:zlib";
import { MiB } from "../../support/bytes.ts";
import { BoundedCache } from "../bounded-cache.ts";
import type { DiskFile } from "../disk-file.ts";
import { type MappedBlock, MappedReader, NumberTable } from "../mapped/reader.ts";
import { decodeHeader, GRAIN_MARKER_SIZE, SECTOR, type VmdkHeader, vmdkDamaged } from "./layout.ts";

const TABLES_KEPT = 256;
const INFLATED_KEPT = 4 * MiB;
/** Behind the footer stands the end-of-stream marker, one sector. */
const FOOTER_FROM_END = 2 * SECTOR;

/** A VMDK disk in one file for reading, sparse or stream-optimised. Closes `file`. @throws CapstanError `vmdk-damaged`, `vmdk-unsupported` */
export function vmdkDevice(file: DiskFile): MappedReader {
  const header = readHeader(file);
  const size = header.capacity * SECTOR;
  const grainSize = header.grainSectors * SECTOR;
  const grains = new Grains(file, header, grainSize);
  return new MappedReader(file, {
    size,
    blockSize: grainSize,
    find: (block) => grains.find(block),
    compressed: header.compressed,
  });
}

function readHeader(file: DiskFile): VmdkHeader & { readonly directory: number } {
  const bytes = Buffer.alloc(Math.min(SECTOR, file.size));
  file.read(bytes, 0);
  const header = decodeHeader(bytes, file.path);
  if (header.directory !== undefined) return { ...header, directory: header.directory };
  if (file.size < 2 * FOOTER_FROM_END) throw vmdkDamaged(file.path, "its footer is missing");
  file.read(bytes, file.size - FOOTER_FROM_END);
  const footer = decodeHeader(bytes, file.path);
  if (footer.directory === undefined) throw vmdkDamaged(file.path, "its footer does not say where the directory is");
  return { ...footer, directory: footer.directory };
}

class Grains {
  readonly #file: DiskFile;
  readonly #fileSize: number;
  readonly #header: VmdkHeader;
  readonly #grainSize: number;
  readonly #directory: NumberTable;
  readonly #tables = new BoundedCache<NumberTable>(TABLES_KEPT);
  readonly #inflated: BoundedCache<Buffer>;

  constructor(file: DiskFile, header: VmdkHeader & { readonly directory: number }, grainSize: number) {
    this.#file = file;
    this.#fileSize = file.size;
    this.#header = header;
    this.#grainSize = grainSize;
    const grains = Math.ceil(header.capacity / header.grainSectors);
    const length = Math.ceil(grains / header.tableEntries);
    this.#directory = new NumberTable(file, { start: header.directory * SECTOR, length, order: "little" });
    this.#inflated = new BoundedCache(Math.max(1, Math.floor(INFLATED_KEPT / grainSize)));
  }

  find(grain: number): MappedBlock {
    const { tableEntries, zeroGrains, compressed } = this.#header;
    const table = this.#directory.get(Math.floor(grain / tableEntries));
    if (table === 0) return { kind: "zero", blocks: tableEntries - (grain % tableEntries) };
    const sector = this.#table(table).get(grain % tableEntries);
    if (sector === 0 || (sector === 1 && zeroGrains)) return { kind: "zero" };
    const offset = sector * SECTOR;
    if (offset >= this.#fileSize) throw vmdkDamaged(this.#file.path, `grain ${grain} lies behind the end of the file`);
    return compressed ? { kind: "bytes", bytes: this.#inflate(offset, grain) } : { kind: "data", offset };
  }

  #table(sector: number): NumberTable {
    const length = this.#header.tableEntries;
    return this.#tables.get(
      sector,
      () => new NumberTable(this.#file, { start: sector * SECTOR, length, order: "little" }),
    );
  }

  #inflate(offset: number, grain: number): Buffer {
    return this.#inflated.get(offset, () => {
      const head = this.#header.hasMarkers ? GRAIN_MARKER_SIZE : 4;
      const marker = Buffer.alloc(head);
      this.#file.read(marker, offset);
      const length = marker.readUInt32LE(head - 4);
      if (length === 0 || length > 2 * this.#grainSize + SECTOR) {
        throw vmdkDamaged(this.#file.path, `grain ${grain} has ${length} compressed bytes`);
      }
      const packed = Buffer.alloc(length);
      this.#file.read(packed, offset + head);
      return this.#unpack(packed, grain);
    });
  }

  /** The last grain of a disk may be shorter. */
  #unpack(packed: Buffer, grain: number): Buffer {
    const whole = Buffer.alloc(this.#grainSize);
    try {
      inflateSync(packed, { maxOutputLength: this.#grainSize }).copy(whole);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw vmdkDamaged(this.#file.path, `grain ${grain} cannot be unpacked (${why})`);
    }
    return whole;
  }
}
