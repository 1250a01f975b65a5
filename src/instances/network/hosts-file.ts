import { DeviceWindow, type WritableBlockDevice } from "../../disks/block-device.ts";
import { ROOT_PARTITION, readPartitionTable, setRootPartition } from "../../disks/mbr.ts";
import { findReplaceable } from "../../filesystems/rofs/replace.ts";
import type { HostsEntry } from "./host-names.ts";

/** How much longer a disk becomes for its names: one cluster, and room for more names than a network has members. */
export const HOSTS_ROOM = 64 << 10;

const PATH = "/etc/hosts";
/** What comes behind this line is ours. */
const MARK = "# The networks of this instance:";

/**
 * Puts names into /etc/hosts of a guest's root file system: its content moves into the room behind the old end of the disk,
 * and the partition grows over that. With `room` undefined, only what was moved before is changed.
 *
 * False when that cannot be: the root is no ROFS, or the image has no such file.
 */
export function writeHosts(
  disk: WritableBlockDevice,
  entries: readonly HostsEntry[],
  room: { readonly start: number } | undefined,
): boolean {
  const partition = readPartitionTable(disk).find(({ number }) => number === ROOT_PARTITION);
  if (partition === undefined || partition.start >= disk.size) return false;
  const root = new DeviceWindow(disk, partition.start, disk.size - partition.start);
  const file = findReplaceable(root, PATH);
  if (file === undefined || file.size > HOSTS_ROOM / 2) return false;
  const moved = file.isReplaced ? file.offset : undefined;
  const at = room === undefined ? moved : room.start - partition.start;
  if (at === undefined || at < 0 || at % 512 !== 0 || at + HOSTS_ROOM > root.size) return false;
  const before = Buffer.alloc(file.size);
  root.read(before, file.offset);
  file.replace(Buffer.from(hostsText(before.toString("latin1"), entries), "latin1"), at);
  if (room !== undefined) setRootPartition(disk, { start: partition.start, size: root.size });
  return true;
}

/** The text of a hosts file with other names of ours; what was there before them stays. */
export function hostsText(before: string, entries: readonly HostsEntry[]): string {
  const [own = ""] = before.split(`${MARK}\n`);
  const head = own === "" || own.endsWith("\n") ? own : `${own}\n`;
  let text = `${head}${MARK}\n`;
  for (const { address, names } of entries) {
    const line = `${address} ${names.join(" ")}\n`;
    // Half of a list is better than none: the hub knows the others.
    if (text.length + line.length > HOSTS_ROOM) break;
    text += line;
  }
  return text;
}
