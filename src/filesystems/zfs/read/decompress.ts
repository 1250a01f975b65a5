import { inflateSync } from "node:zlib";

import { unsupported } from "../errors.ts";
import { asBuffer } from "../integers.ts";
import { Compression } from "../layout.ts";

/**
 * The bytes of a block that is compressed on disk; undefined when they make no block of `size` bytes.
 * Sources: OSv's fs/zfs/{lzjb,gzip,zle,lz4}.c. Error: CapstanError `zfs-feature` for kinds that OSv does not know.
 */
export function decompress(kind: number, source: Uint8Array, size: number): Uint8Array | undefined {
  if (kind === Compression.empty) return new Uint8Array(size);
  if (kind === Compression.lzjb) return lzjb(source, new Uint8Array(size));
  if (kind >= Compression.gzip1 && kind <= Compression.gzip9) return gzip(source, size);
  if (kind === Compression.zle) return zle(source, new Uint8Array(size));
  if (kind === Compression.lz4) return lz4(source, new Uint8Array(size));
  return unsupported(kind === ZSTD ? "it is compressed with zstd" : `its compression ${kind} is unknown`);
}

/** Of OpenZFS. */
const ZSTD = 16;

/** A zlib stream, padded with zeros. */
function gzip(source: Uint8Array, size: number): Uint8Array | undefined {
  try {
    const bytes = inflateSync(source, { maxOutputLength: size });
    return bytes.length === size ? bytes : undefined;
  } catch {
    return undefined;
  }
}

/** A control byte below 64: so many literals and one more. From 64 on: so many zeros, less 63. */
function zle(source: Uint8Array, target: Uint8Array): Uint8Array | undefined {
  let from = 0;
  let to = 0;
  while (to < target.length) {
    const control = source[from++];
    if (control === undefined) return undefined;
    if (control >= ZLE_LITERALS) {
      to += control - ZLE_LITERALS + 1;
      continue;
    }
    const length = control + 1;
    if (from + length > source.length || to + length > target.length) return undefined;
    target.set(source.subarray(from, from + length), to);
    from += length;
    to += length;
  }
  return to === target.length ? target : undefined;
}

const ZLE_LITERALS = 64;

/** A byte of 8 flags, then for each a literal or two bytes: 6 bits of length - 3, 10 bits of distance. */
function lzjb(source: Uint8Array, target: Uint8Array): Uint8Array | undefined {
  let from = 0;
  let to = 0;
  let flags = 0;
  for (let bit = 8; to < target.length; bit++) {
    if (bit === 8) {
      flags = source[from++] ?? 0;
      bit = 0;
    }
    const byte = source[from++];
    if (byte === undefined) return undefined;
    if ((flags & (1 << bit)) === 0) {
      target[to++] = byte;
      continue;
    }
    const low = source[from++];
    if (low === undefined) return undefined;
    const distance = ((byte << 8) | low) & 0x3ff;
    // The last match may reach beyond the end: the compressor stops at the size of the block.
    const length = Math.min((byte >> 2) + 3, target.length - to);
    if (distance === 0 || distance > to) return undefined;
    to = copyMatch(target, { to, distance, length });
  }
  return target;
}

/** A big-endian u32 with the length of what follows, one LZ4 block. */
function lz4(source: Uint8Array, target: Uint8Array): Uint8Array | undefined {
  if (source.length < 4) return undefined;
  const end = 4 + asBuffer(source).readUInt32BE(0);
  if (end > source.length) return undefined;
  let from = 4;
  let to = 0;
  while (from < end) {
    const token = source[from++] ?? 0;
    const literals = lz4Length(source, { from, end, nibble: token >> 4 });
    if (literals === undefined) return undefined;
    from = literals.from;
    if (from + literals.length > end || to + literals.length > target.length) return undefined;
    target.set(source.subarray(from, from + literals.length), to);
    from += literals.length;
    to += literals.length;
    if (from === end) break; // the last sequence has no match
    if (from + 2 > end) return undefined;
    const distance = (source[from] ?? 0) | ((source[from + 1] ?? 0) << 8);
    const match = lz4Length(source, { from: from + 2, end, nibble: token & 15 });
    if (match === undefined) return undefined;
    from = match.from;
    const length = match.length + LZ4_MIN_MATCH;
    if (distance === 0 || distance > to || to + length > target.length) return undefined;
    to = copyMatch(target, { to, distance, length });
  }
  return to === target.length ? target : undefined;
}

const LZ4_MIN_MATCH = 4;

interface Lz4Place {
  readonly from: number;
  readonly end: number;
  readonly nibble: number;
}

/** A nibble of 15 goes on in bytes, up to the first that is not 255. */
function lz4Length(source: Uint8Array, place: Lz4Place): { length: number; from: number } | undefined {
  let { from, nibble: length } = place;
  if (length < 15) return { length, from };
  for (;;) {
    if (from >= place.end) return undefined;
    const more = source[from++] ?? 0;
    length += more;
    if (more < 255) return { length, from };
  }
}

/** What is copied may overlap what is written: then it repeats. Returns the new end. */
function copyMatch(target: Uint8Array, match: { to: number; distance: number; length: number }): number {
  const { to, distance, length } = match;
  if (distance >= length) {
    target.copyWithin(to, to - distance, to - distance + length);
  } else {
    for (let index = to; index < to + length; index++) target[index] = target[index - distance] ?? 0;
  }
  return to + length;
}
