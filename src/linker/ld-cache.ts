import { CapstanError } from "../support/errors.ts";
import type { MachineFacts } from "./machines.ts";

/**
 * /etc/ld.so.cache. Source: sysdeps/generic/dl-cache.h of glibc.
 *
 * Old: "ld.so-1.7.0", padded to 12; u32 count; entries of i32 flags, u32 name, u32 path (offsets in the strings behind them).
 * New: "glibc-ld.so.cache" "1.1"; u32 count; u32 length of the strings; u8 flags; 3 unused; u32 offset of the extensions;
 * 3 u32 unused; entries of i32 flags, u32 name, u32 path, u32 kernel, u64 hwcap (offsets from the start of this header).
 * A file may be one of them, or the old one followed by the new one at a multiple of 8.
 */
const OLD_MAGIC = "ld.so-1.7.0";
const OLD_HEADER_SIZE = 16;
const OLD_ENTRY_SIZE = 12;
const NEW_MAGIC = "glibc-ld.so.cache1.1";
const NEW_HEADER_SIZE = 48;
const NEW_ENTRY_SIZE = 24;
const NEW_ALIGNMENT = 8;

/** Byte 28 of the new header, in its two low bits; 0 in caches of glibc before 2.33. */
const CACHE_LITTLE_ENDIAN = 2;
const CACHE_BIG_ENDIAN = 3;

/** Bits of an entry's flags: what it is, and of which ABI. */
const FLAG_TYPE = 0x00ff;
const FLAG_ABI = 0xff00;
const FLAG_ELF = 1;
const FLAG_ELF_LIBC6 = 3;

/** The bit of hwcap that says: its low 32 bits are an index into the names of the glibc-hwcaps extension. */
const HWCAP_EXTENSION = 1n << 62n;
const EXTENSION_MAGIC = 0xeaa42174;
const EXTENSION_GLIBC_HWCAPS = 1;

export interface CacheEntry {
  readonly name: string;
  readonly path: string;
  readonly flags: number;
  /** The subdirectory of glibc-hwcaps ("x86-64-v3") that it is for. */
  readonly hwcap: string | undefined;
  /** An entry for CPUs with certain abilities, of before glibc-hwcaps. */
  readonly legacyHwcap: boolean;
}

/** All entries, in their order. Error: CapstanError `bad-ld-cache`. `byteOrder` is for caches that do not say theirs. */
export function parseLdCache(bytes: Buffer, byteOrder: "little" | "big"): readonly CacheEntry[] {
  const cache = new CacheBytes(bytes, byteOrder);
  if (startsWith(bytes, 0, NEW_MAGIC)) return newEntries(cache, 0);
  if (!startsWith(bytes, 0, OLD_MAGIC)) return cache.bad("it starts with neither of the known signatures");
  const count = cache.u32(12);
  const strings = OLD_HEADER_SIZE + count * OLD_ENTRY_SIZE;
  if (strings > bytes.length) return cache.bad(`it says that it has ${count} entries`);
  const embedded = Math.ceil(strings / NEW_ALIGNMENT) * NEW_ALIGNMENT;
  if (startsWith(bytes, embedded, NEW_MAGIC)) return newEntries(cache, embedded);
  return Array.from({ length: count }, (_, index) => {
    const at = OLD_HEADER_SIZE + index * OLD_ENTRY_SIZE;
    return {
      flags: cache.u32(at),
      name: cache.text(strings + cache.u32(at + 4)),
      path: cache.text(strings + cache.u32(at + 8)),
      hwcap: undefined,
      legacyHwcap: false,
    };
  });
}

/**
 * Where libraries lie, by name, for programs of this machine: the first entry that fits. Entries of the best of `hwcaps` come
 * first, then those of the ABI that comes first in the machine's facts.
 */
export function indexCache(
  entries: readonly CacheEntry[],
  { cacheFlags }: Pick<MachineFacts, "cacheFlags">,
  hwcaps: readonly string[],
): ReadonlyMap<string, string> {
  const best = new Map<string, { rank: number; path: string }>();
  for (const { name, path, flags, hwcap, legacyHwcap } of entries) {
    const type = flags & FLAG_TYPE;
    if (type !== FLAG_ELF_LIBC6 && type !== FLAG_ELF) continue;
    // Of a machine without facts, the linker tells by the files whether they fit.
    const abi = cacheFlags.length === 0 ? 0 : cacheFlags.indexOf(flags & FLAG_ABI);
    const level = hwcap === undefined ? hwcaps.length : hwcaps.indexOf(hwcap);
    if (legacyHwcap || abi < 0 || level < 0) continue;
    const rank = level * (cacheFlags.length + 1) + abi;
    const known = best.get(name);
    if (known === undefined || rank < known.rank) best.set(name, { rank, path });
  }
  return new Map([...best].map(([name, { path }]) => [name, path]));
}

function newEntries(cache: CacheBytes, start: number): CacheEntry[] {
  const order = (cache.bytes[start + 28] ?? 0) & 3;
  if (order === CACHE_LITTLE_ENDIAN) cache.little = true;
  if (order === CACHE_BIG_ENDIAN) cache.little = false;
  const count = cache.u32(start + 20);
  if (start + NEW_HEADER_SIZE + count * NEW_ENTRY_SIZE > cache.bytes.length) {
    cache.bad(`it says that it has ${count} entries`);
  }
  const hwcaps = hwcapNames(cache, start);
  return Array.from({ length: count }, (_, index) => {
    const at = start + NEW_HEADER_SIZE + index * NEW_ENTRY_SIZE;
    const hwcap = cache.u64(at + 16);
    const extended = (hwcap & HWCAP_EXTENSION) !== 0n;
    return {
      flags: cache.u32(at),
      name: cache.text(start + cache.u32(at + 4)),
      path: cache.text(start + cache.u32(at + 8)),
      hwcap: extended ? (hwcaps[Number(hwcap & 0xffffffffn)] ?? "unknown") : undefined,
      legacyHwcap: !extended && hwcap !== 0n,
    };
  });
}

/** The extensions: u32 magic, u32 count, then u32 tag, flags, offset and size of each; that of hwcaps is offsets of names. */
function hwcapNames(cache: CacheBytes, start: number): string[] {
  const offset = cache.u32(start + 32);
  if (offset === 0) return [];
  const directory = start + offset;
  if (directory + 8 > cache.bytes.length || cache.u32(directory) !== EXTENSION_MAGIC) return [];
  const count = Math.min(cache.u32(directory + 4), MAX_EXTENSIONS);
  for (let at = directory + 8; at < directory + 8 + count * 16; at += 16) {
    if (cache.u32(at) !== EXTENSION_GLIBC_HWCAPS) continue;
    const [names, size] = [start + cache.u32(at + 8), Math.min(cache.u32(at + 12), MAX_HWCAPS * 4)];
    return Array.from({ length: Math.floor(size / 4) }, (_, index) => cache.text(start + cache.u32(names + index * 4)));
  }
  return [];
}

const MAX_EXTENSIONS = 64;
const MAX_HWCAPS = 1024;
/** PATH_MAX of Linux. */
const MAX_TEXT = 4096;

class CacheBytes {
  readonly bytes: Buffer;
  little: boolean;

  constructor(bytes: Buffer, byteOrder: "little" | "big") {
    this.bytes = bytes;
    this.little = byteOrder === "little";
  }

  u32(at: number): number {
    if (at + 4 > this.bytes.length) this.bad(`it ends before byte ${at + 4}`);
    return this.little ? this.bytes.readUInt32LE(at) : this.bytes.readUInt32BE(at);
  }

  u64(at: number): bigint {
    if (at + 8 > this.bytes.length) this.bad(`it ends before byte ${at + 8}`);
    return this.little ? this.bytes.readBigUInt64LE(at) : this.bytes.readBigUInt64BE(at);
  }

  text(at: number): string {
    const end = at < this.bytes.length ? this.bytes.subarray(0, at + MAX_TEXT).indexOf(0, at) : -1;
    if (end < 0) this.bad(`the text at byte ${at} does not end`);
    return this.bytes.toString("utf8", at, end);
  }

  bad(why: string): never {
    throw new CapstanError(`The cache of the dynamic linker is damaged: ${why}`, {
      code: "bad-ld-cache",
      hint: "Make it anew with 'ldconfig'.",
    });
  }
}

function startsWith(bytes: Buffer, at: number, magic: string): boolean {
  return bytes.toString("latin1", at, at + magic.length) === magic;
}
