import { segmentSlots } from "./console/files.ts";
import { readTimes } from "./console/times-writer.ts";
import { findInstance } from "./find.ts";
import { isHeld, readLock } from "./lock.ts";

export interface InstanceLog {
  /** For readLog and readTimedLines. */
  readonly folder: string;
  /** Whether nothing runs that writes to it. */
  readonly isOver: () => boolean;
  /** What was said first and is not kept any more, in bytes. */
  readonly dropped: number;
}

/**
 * The console's log of an instance, whatever its state.
 * @throws CapstanError `no-such-instance` (66)
 */
export function findLog(root: string, name: string): InstanceLog {
  const folder = findInstance(root, name);
  return {
    folder,
    isOver: () => {
      const lock = readLock(folder);
      return lock === undefined || !isHeld(lock);
    },
    dropped: segmentSlots(folder).length === 0 ? 0 : (readTimes(folder)[0]?.base ?? 0),
  };
}
