import { inflateRawSync } from "node:zlib";
import type { OpenFile } from "../../filesystems/file-space.ts";
import { KiB, MiB } from "../../support/bytes.ts";

/** What of a zip file could be read: its bytes, or why not. */
export type ZipMember =
  | { readonly kind: "found"; readonly bytes: Buffer }
  | { readonly kind: "absent" }
  /** No zip file, or one that is cut off or contradicts itself. */
  | { readonly kind: "damaged" }
  /** Larger, packed or encrypted in a way that is not read here (ZIP64 among them). */
  | { readonly kind: "unreadable" };

/**
 * One file of a zip archive, found by the directory at its end, so that whatever stands before the archive does not matter.
 * Offsets and names: APPNOTE.TXT of PKWARE, 4.3. Nothing in it is trusted.
 */
export function readZipMember(file: OpenFile, name: string, limit = MiB): ZipMember {
  const directory = readDirectory(file);
  if (directory === undefined) return { kind: "damaged" };
  if (directory === "unreadable") return { kind: "unreadable" };
  const { bytes, shift } = directory;
  for (let at = 0; at + ENTRY.size <= bytes.length; ) {
    if (bytes.readUInt32LE(at) !== ENTRY.signature) return { kind: "damaged" };
    const nameEnd = at + ENTRY.size + bytes.readUInt16LE(at + ENTRY.nameLength);
    if (nameEnd > bytes.length) return { kind: "damaged" };
    if (bytes.toString("utf8", at + ENTRY.size, nameEnd) === name) {
      return readMember(file, { entry: bytes.subarray(at, nameEnd), shift, limit });
    }
    at = nameEnd + bytes.readUInt16LE(at + ENTRY.extraLength) + bytes.readUInt16LE(at + ENTRY.commentLength);
  }
  return { kind: "absent" };
}

interface Directory {
  readonly bytes: Buffer;
  /** What to add to offsets: the length of whatever was put before the archive. */
  readonly shift: number;
}

function readDirectory(file: OpenFile): Directory | "unreadable" | undefined {
  const tail = Buffer.alloc(Math.min(file.size, END.size + LONGEST_COMMENT));
  file.read(tail, file.size - tail.length);
  const at = tail.lastIndexOf(END.signature);
  if (at < 0 || at + END.size > tail.length) return undefined;
  const size = tail.readUInt32LE(at + END.directorySize);
  const offset = tail.readUInt32LE(at + END.directoryOffset);
  if (size === ZIP64 || offset === ZIP64 || size > LARGEST_DIRECTORY) return "unreadable";
  const start = file.size - tail.length + at - size;
  if (start < offset) return undefined;
  const bytes = Buffer.alloc(size);
  file.read(bytes, start);
  return { bytes, shift: start - offset };
}

interface Member {
  readonly entry: Buffer;
  readonly shift: number;
  readonly limit: number;
}

function readMember(file: OpenFile, { entry, shift, limit }: Member): ZipMember {
  const packed = entry.readUInt32LE(ENTRY.packedSize);
  const method = entry.readUInt16LE(ENTRY.method);
  const isEncrypted = (entry.readUInt16LE(ENTRY.flags) & 1) !== 0;
  if (packed > limit || isEncrypted || (method !== STORED && method !== DEFLATED)) return { kind: "unreadable" };
  const local = shift + entry.readUInt32LE(ENTRY.localOffset);
  if (local + LOCAL.size > file.size) return { kind: "damaged" };
  const header = Buffer.alloc(LOCAL.size);
  file.read(header, local);
  if (header.readUInt32LE(0) !== LOCAL.signature) return { kind: "damaged" };
  const start = local + LOCAL.size + header.readUInt16LE(LOCAL.nameLength) + header.readUInt16LE(LOCAL.extraLength);
  if (start + packed > file.size) return { kind: "damaged" };
  const bytes = Buffer.alloc(packed);
  file.read(bytes, start);
  return method === STORED ? { kind: "found", bytes } : inflate(bytes, limit);
}

function inflate(bytes: Buffer, limit: number): ZipMember {
  try {
    return { kind: "found", bytes: inflateRawSync(bytes, { maxOutputLength: limit }) };
  } catch (error) {
    return { kind: error instanceof RangeError ? "unreadable" : "damaged" };
  }
}

/** End of central directory record. */
const END = { signature: Buffer.from("PK\x05\x06", "latin1"), size: 22, directorySize: 12, directoryOffset: 16 };
/** Central directory file header. */
const ENTRY = {
  signature: 0x02014b50,
  size: 46,
  flags: 8,
  method: 10,
  packedSize: 20,
  nameLength: 28,
  extraLength: 30,
  commentLength: 32,
  localOffset: 42,
};
/** Local file header. */
const LOCAL = { signature: 0x04034b50, size: 30, nameLength: 26, extraLength: 28 };
const STORED = 0;
const DEFLATED = 8;
const ZIP64 = 0xffffffff;
const LONGEST_COMMENT = 64 * KiB;
const LARGEST_DIRECTORY = 64 * MiB;
