import { randomBytes } from "node:crypto";
import { basename } from "node:path";
import { roundUp } from "../../support/bytes.ts";
import { CapstanError } from "../../support/errors.ts";
import type { Closable, WritableBlockDevice } from "../block-device.ts";
import { DiskFile } from "../disk-file.ts";
import { MappedWriter, type SlotMap, writeSlotTable } from "../mapped/writer.ts";
import {
  DESCRIPTION_SECTOR,
  DESCRIPTION_SECTORS,
  encodeDescription,
  encodeHeader,
  GRAIN_SECTORS,
  GRAIN_SIZE,
  LARGEST,
  SECTOR,
  TABLE_ENTRIES,
  TABLE_SIZE,
  TABLE_SPAN,
} from "./layout.ts";

export interface VmdkOptions {
  /** In bytes; rounded up to whole sectors of 512. */
  readonly size: number;
  readonly adapter?: "ide" | "lsilogic" | undefined;
  /** What the description calls the file, for one that is renamed when it is complete; that of the path without it. */
  readonly fileName?: string | undefined;
  /** A number that is another one for another content; random without it. */
  readonly contentId?: number | undefined;
  /** Whether flush waits for the disk (fsync); true unless said otherwise. */
  readonly sync?: boolean | undefined;
}

/** Creates a sparse VMDK disk in one file at a path where nothing is yet. @throws CapstanError `disk-size`, `file-exists` */
export function createVmdk(path: string, options: VmdkOptions): WritableBlockDevice & Closable {
  const size = checkedVmdkSize(options.size);
  const capacity = size / SECTOR;
  const grains = Math.ceil(size / GRAIN_SIZE);
  const tables = Math.ceil(size / TABLE_SPAN);
  const first = directoryAt(DESCRIPTION_SECTOR + DESCRIPTION_SECTORS, tables);
  const second = directoryAt(first.end, tables);
  const overhead = roundUp(second.end, GRAIN_SECTORS);
  const description = encodeDescription({
    type: "monolithicSparse",
    capacity,
    fileName: options.fileName ?? basename(path),
    contentId: options.contentId ?? randomContentId(),
    adapter: options.adapter ?? "ide",
  });
  const position = (slot: number) => (overhead + slot * GRAIN_SECTORS) * SECTOR;
  const finish = (file: DiskFile, { slots, map }: { slots: number; map: SlotMap }) => {
    for (const directory of [first, second]) writeDirectory(file, { ...directory, tables, grains, overhead }, map);
    file.write(description, DESCRIPTION_SECTOR * SECTOR);
    const fields = { capacity, secondDirectory: first.directory, directory: BigInt(second.directory), overhead };
    file.write(encodeHeader({ ...fields, streamOptimized: false }), 0);
    return position(slots);
  };
  const format = { size, blockSize: GRAIN_SIZE, position, finish };
  return new MappedWriter(DiskFile.create(path), format, options.sync ?? true);
}

/** In whole sectors. @throws CapstanError `disk-size` */
export function checkedVmdkSize(size: number): number {
  const rounded = roundUp(size, SECTOR);
  if (Number.isSafeInteger(size) && size >= 0 && rounded <= LARGEST) return rounded;
  throw new CapstanError(`A VMDK disk in one file cannot have ${size} bytes`, {
    code: "disk-size",
    hint: "Choose a size below 2 TiB.",
  });
}

export function randomContentId(): number {
  return randomBytes(4).readUInt32LE(0);
}

interface DirectoryPlace {
  /** In sectors: the directory, its first table, and what comes behind. */
  readonly directory: number;
  readonly firstTable: number;
  readonly end: number;
}

function directoryAt(sector: number, tables: number): DirectoryPlace {
  const firstTable = sector + Math.ceil((tables * 4) / SECTOR);
  return { directory: sector, firstTable, end: firstTable + (tables * TABLE_SIZE) / SECTOR };
}

interface DirectoryPlan extends DirectoryPlace {
  readonly tables: number;
  readonly grains: number;
  readonly overhead: number;
}

/** The tables follow each other, so they are one table of all grains. */
function writeDirectory(
  file: DiskFile,
  { directory, firstTable, tables, overhead }: DirectoryPlan,
  map: SlotMap,
): void {
  const entries = Buffer.alloc(tables * 4);
  for (let index = 0; index < tables; index++) {
    entries.writeUInt32LE(firstTable + (index * TABLE_SIZE) / SECTOR, index * 4);
  }
  file.write(entries, directory * SECTOR);
  const table = { start: firstTable * SECTOR, length: tables * TABLE_ENTRIES, empty: 0, order: "little" } as const;
  writeSlotTable(file, { ...table, value: (slot) => overhead + slot * GRAIN_SECTORS }, map);
}
