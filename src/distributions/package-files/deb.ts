/**
 * Debian's package files. Sources: deb(5): an ar archive of `debian-binary`, `control.tar…` and `data.tar…`, in this order;
 * ar(5): after eight bytes of magic, each member has a header of 60 bytes in ASCII, name in 0-15 and size in decimal in 48-57,
 * ended by "`\n"; members start at even places.
 */

import type { OpenFile } from "../../filesystems/file-space.ts";
import { type Compression, damagedPackage, type PackedFiles } from "./packed.ts";

const MAGIC = "!<arch>\n";
const HEADER = { size: 60, name: [0, 16], length: [48, 58], end: [58, 60], mark: "`\n" } as const;
const MOST_MEMBERS = 100;

const COMPRESSIONS: ReadonlyMap<string, Compression> = new Map([
  ["", "none"],
  [".gz", "gzip"],
  [".xz", "xz"],
  [".zst", "zstd"],
  [".bz2", "bzip2"],
  [".lzma", "lzma"],
]);

/** `part`: what is installed, or what dpkg knows of it. Error: CapstanError `bad-package-file`. */
export function findInDeb(file: OpenFile, path: string, part: "data" | "control"): PackedFiles {
  if (text(file, 0, MAGIC.length) !== MAGIC) throw damagedPackage(path, "it is no Debian package");
  let at = MAGIC.length;
  for (let member = 0; member < MOST_MEMBERS && at + HEADER.size <= file.size; member++) {
    const header = text(file, at, HEADER.size);
    const size = Number.parseInt(header.slice(...HEADER.length).trim(), 10);
    const offset = at + HEADER.size;
    if (header.slice(...HEADER.end) !== HEADER.mark || !(size >= 0))
      throw damagedPackage(path, "a member has no header");
    if (offset + size > file.size) throw damagedPackage(path, "it is cut off");
    const name = header
      .slice(...HEADER.name)
      .trim()
      .replace(/\/$/, "");
    if (name.startsWith(`${part}.tar`)) {
      const compression = COMPRESSIONS.get(name.slice(`${part}.tar`.length));
      if (compression === undefined) throw damagedPackage(path, `${name} is packed in an unknown way`);
      return { archive: "tar", compression, offset, size };
    }
    at = offset + size + (size % 2);
  }
  throw damagedPackage(path, `it has no ${part}.tar`);
}

function text(file: OpenFile, offset: number, length: number): string {
  const bytes = Buffer.alloc(Math.max(0, Math.min(length, file.size - offset)));
  file.read(bytes, offset);
  return bytes.toString("latin1");
}
