import { KiB } from "../support/bytes.ts";
import type { ElfBytes } from "./bytes.ts";
import type { ElfHeader } from "./headers.ts";

const MAX_NAMES = 64 * KiB;

/** Whether there is a section of that name. Without section headers, or with some that make no sense, there is none. */
export function hasSection(bytes: ElfBytes, { sections, sectionNames }: ElfHeader, name: string): boolean {
  const all = sections();
  const names = all[sectionNames];
  if (names === undefined || names.size > MAX_NAMES || names.offset + names.size > bytes.size) return false;
  const wanted = Buffer.from(`${name}\0`, "latin1");
  const table = bytes.bytes(names.offset, names.size, "its section names");
  const at = table.indexOf(wanted);
  if (at < 0) return false;
  return all.some((section) => table.subarray(section.name, section.name + wanted.length).equals(wanted));
}
