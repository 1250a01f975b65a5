import type { Closable, WritableBlockDevice } from "./block-device.ts";
import type { DiskFormat } from "./probe.ts";
import { createQcow2 } from "./qcow2/writer.ts";
import { createRaw } from "./raw.ts";
import { createVdi } from "./vdi/writer.ts";
import { createVhd } from "./vhd/writer.ts";
import { createVmdk } from "./vmdk/writer.ts";

export interface CreateDiskOptions {
  readonly format: DiskFormat;
  /** In bytes. */
  readonly size: number;
  /** For formats that note when they were made: in seconds since 1970. */
  readonly time: number;
  /** For formats that note the name of their file, of one that is renamed when it is complete. */
  readonly fileName?: string | undefined;
}

/** Creates a disk of a format at a path where nothing is yet; of formats with several kinds, the one that grows as it is written. */
export function createDisk(
  path: string,
  { format, size, time, fileName }: CreateDiskOptions,
): WritableBlockDevice & Closable {
  switch (format) {
    case "raw":
      return createRaw(path, { size });
    case "qcow2":
      return createQcow2(path, { size });
    case "vmdk":
      return createVmdk(path, { size, fileName });
    case "vdi":
      return createVdi(path, { size });
    case "vpc":
      return createVhd(path, { size, type: "dynamic", time });
  }
}
