import { join } from "node:path";
import { openImage } from "../disks/image.ts";
import type { Reuse } from "../filesystems/reuse.ts";
import { findImage } from "../store/images.ts";
import { imagePaths, type Layout } from "../store/layout.ts";
import { checkImageName } from "../store/names.ts";
import { CapstanError } from "../support/errors.ts";
import { RECORD_SUFFIX, readRecord } from "./record.ts";

/** The image of a name as it is before an update, as a source of all that has not changed since it was composed. */
export interface PreviousImage extends Reuse {
  /** How many contents were found in it so far. */
  readonly found: () => number;
  close(): void;
}

/** Undefined when there is no such image, or nothing is known of what it was made of. */
export function openPrevious(layout: Layout, name: string): PreviousImage | undefined {
  const checked = checkImageName(name);
  try {
    const { path } = findImage(layout, name);
    const recordPath = join(imagePaths(layout, checked).folder, `${checked.base}${RECORD_SUFFIX}`);
    // Opened before it is compared with its record: what is at the path may be replaced at any time.
    const image = openImage(path, { backing: "refuse" });
    const record = readRecord(recordPath, path);
    const device = image.rootPartition;
    if (record === undefined || device === undefined) {
      image.close();
      return undefined;
    }
    let found = 0;
    return {
      device,
      place: (file) => {
        const place = record.place(file);
        if (place === undefined || place + file.size > device.size) return undefined;
        found++;
        return place;
      },
      found: () => found,
      close: () => image.close(),
    };
  } catch (error) {
    // What cannot be read is composed afresh.
    if (error instanceof CapstanError) return undefined;
    throw error;
  }
}
