import { decodeHeader, HEADER_SIZE, paddingOf, TRAILER, TYPE_MASK, Type } from "../../filesystems/cpio/layout.ts";
import type { OpenFile } from "../../filesystems/file-space.ts";
import { PATH_MAX } from "../../filesystems/names.ts";
import { decodeName } from "../../support/name-bytes.ts";
import { damagedPackage } from "./packed.ts";

/** An entry of an unpacked cpio archive, and where its content lies. */
export interface IndexedEntry {
  /** From the root: "usr/bin/x", without a slash at either end; the root is "". */
  readonly path: string;
  readonly type: "file" | "directory" | "symlink";
  /** Permission bits (0o7777). */
  readonly mode: number;
  /** Whole seconds since 1970. */
  readonly mtime: number;
  readonly size: number;
  readonly offset: number;
  /** Of a link. */
  readonly target: string;
}

/**
 * What lies where in an archive of RPM, in its order. Of names of one file (hard links), RPM packs the content with the last
 * one; here all have it. Devices, pipes and sockets are passed over. Error: CapstanError `bad-package-file`.
 */
export function indexCpio(file: OpenFile, path: string): readonly IndexedEntry[] {
  const entries: IndexedEntry[] = [];
  /** Indexes of entries that wait for the content of their file. */
  const waiting = new Map<string, number[]>();
  for (let at = 0; ; ) {
    if (at + HEADER_SIZE > file.size) throw damagedPackage(path, "its list of files is cut off");
    const header = decodeHeader(bytesAt(file, at, HEADER_SIZE));
    if (header === undefined) throw damagedPackage(path, "there is no entry where one should begin");
    const { nameSize, size, mode, mtime } = header;
    const offset = at + HEADER_SIZE + nameSize + paddingOf(HEADER_SIZE + nameSize);
    if (nameSize < 2 || nameSize > PATH_MAX + 3 || offset + size > file.size)
      throw damagedPackage(path, "an entry is cut off");
    const name = textAt(file, at + HEADER_SIZE, nameSize - 1, path);
    if (name === TRAILER) return entries;
    if (entries.length >= MOST_ENTRIES) throw damagedPackage(path, `it has more than ${MOST_ENTRIES} entries`);
    at = offset + size + paddingOf(size);
    const type = TYPES.get(mode & TYPE_MASK);
    if (type === undefined) continue;
    if (type === "symlink" && size > PATH_MAX) throw damagedPackage(path, "a link is too long");
    const target = type === "symlink" ? textAt(file, offset, size, path) : "";
    const entry = { path: entryPath(name, path), type, mode: mode & 0o7777, mtime, size, offset, target };
    if (type === "file" && header.linkCount > 1) {
      const key = `${header.deviceMajor}:${header.deviceMinor}:${header.inode}`;
      const others = waiting.get(key) ?? [];
      if (size > 0) {
        for (const index of others) entries[index] = { ...(entries[index] ?? entry), size, offset };
        waiting.delete(key);
      } else {
        others.push(entries.length);
        waiting.set(key, others);
      }
    }
    entries.push(entry);
  }
}

const MOST_ENTRIES = 1_000_000;
const TYPES = new Map<number, IndexedEntry["type"]>([
  [Type.file, "file"],
  [Type.directory, "directory"],
  [Type.symlink, "symlink"],
]);

function entryPath(name: string, path: string): string {
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) throw damagedPackage(path, `${JSON.stringify(name)} leads outside`);
  return parts.join("/");
}

function textAt(file: OpenFile, offset: number, length: number, path: string): string {
  const bytes = bytesAt(file, offset, length);
  if (bytes.includes(0)) throw damagedPackage(path, "a name is not valid text");
  return decodeName(bytes);
}

function bytesAt(file: OpenFile, offset: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  file.read(bytes, offset);
  return bytes;
}
