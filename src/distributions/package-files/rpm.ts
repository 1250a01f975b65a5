/**
 * RPM's package files, version 3 and 4: a lead of 96 bytes, a signature header padded to a multiple of 8, a header, and a
 * packed cpio archive up to the end. Source: "RPM V4 Package format" of the RPM reference manual. Big-endian.
 *
 *     header   8E AD E8 01, 4 bytes reserved, u32 entries, u32 bytes of store; then the entries; then the store
 *     entry    u32 tag, u32 type, u32 offset in the store, u32 count
 */
import type { OpenFile } from "../../filesystems/file-space.ts";
import { MiB } from "../../support/bytes.ts";
import { type Compression, damagedPackage, type PackedFiles } from "./packed.ts";

const LEAD = { size: 96, magic: 0xedabeedb };
const HEADER = { size: 16, magic: 0x8eade801, entries: 8, store: 12 };
const ENTRY = { size: 16, type: 4, offset: 8 };
const STRING = 6;
const Tag = { payloadFormat: 1124, payloadCompressor: 1125 } as const;
const MOST_ENTRIES = 0xffff;
const LARGEST_STORE = 256 * MiB;

const COMPRESSIONS: readonly Compression[] = ["gzip", "xz", "lzma", "zstd", "bzip2", "none"];

/** Error: CapstanError `bad-package-file`. */
export function findInRpm(file: OpenFile, path: string): PackedFiles {
  if (file.size < LEAD.size || bytesAt(file, 0, 4).readUInt32BE(0) !== LEAD.magic) {
    throw damagedPackage(path, "it is no RPM package");
  }
  const signature = readHeader(file, path, LEAD.size);
  const header = readHeader(file, path, signature.end + ((8 - (signature.end % 8)) % 8));
  const format = header.text(Tag.payloadFormat) ?? "cpio";
  if (format !== "cpio")
    throw damagedPackage(path, `its files are in the format ${JSON.stringify(format)}, which is unknown`);
  const packer = header.text(Tag.payloadCompressor) ?? unnamedPacker(file, header.end);
  const compression = COMPRESSIONS.find((known) => known === packer);
  if (compression === undefined)
    throw damagedPackage(path, `its files are packed with ${JSON.stringify(packer)}, which is unknown`);
  return { archive: "cpio", compression, offset: header.end, size: file.size - header.end };
}

/** Files that are not packed at all have no packer to name (rpmbuild with `w.ufdio`), and neither had those of old with gzip. */
function unnamedPacker(file: OpenFile, at: number): Compression {
  return at + CPIO_MAGIC.length <= file.size && bytesAt(file, at, CPIO_MAGIC.length).equals(CPIO_MAGIC)
    ? "none"
    : "gzip";
}

const CPIO_MAGIC = Buffer.from("07070");

interface Header {
  readonly end: number;
  readonly text: (tag: number) => string | undefined;
}

function readHeader(file: OpenFile, path: string, at: number): Header {
  const cutOff = () => damagedPackage(path, "it is cut off");
  if (at + HEADER.size > file.size) throw cutOff();
  const head = bytesAt(file, at, HEADER.size);
  if (head.readUInt32BE(0) !== HEADER.magic) throw damagedPackage(path, "a header does not begin where it should");
  const [count, storeSize] = [head.readUInt32BE(HEADER.entries), head.readUInt32BE(HEADER.store)];
  if (count > MOST_ENTRIES || storeSize > LARGEST_STORE)
    throw damagedPackage(path, "a header is larger than any can be");
  const store = at + HEADER.size + count * ENTRY.size;
  const end = store + storeSize;
  if (end > file.size) throw cutOff();
  const entries = bytesAt(file, at + HEADER.size, count * ENTRY.size);
  return {
    end,
    text: (tag) => {
      for (let entry = 0; entry < entries.length; entry += ENTRY.size) {
        if (entries.readUInt32BE(entry) !== tag || entries.readUInt32BE(entry + ENTRY.type) !== STRING) continue;
        const offset = entries.readUInt32BE(entry + ENTRY.offset);
        if (offset >= storeSize) throw damagedPackage(path, "a text lies outside its header");
        const bytes = bytesAt(file, store + offset, Math.min(LONGEST_TEXT, storeSize - offset));
        const length = bytes.indexOf(0);
        return bytes.toString("latin1", 0, length === -1 ? bytes.length : length);
      }
      return undefined;
    },
  };
}

const LONGEST_TEXT = 64;

function bytesAt(file: OpenFile, offset: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  file.read(bytes, offset);
  return bytes;
}
