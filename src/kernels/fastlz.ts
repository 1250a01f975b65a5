/**
 * Decompression of FastLZ blocks, level 1 and 2.
 * Source: the block format that FastLZ publishes (github.com/ariya/FastLZ, "Block Format"). A block is a row of instructions.
 * The three high bits of its first byte are the level less one; they are no part of the first instruction.
 *
 *     000LLLLL                             LLLLL + 1 literal bytes follow
 *     MMMDDDDD dddddddd                    a match of MMM + 2 bytes, DDDDDdddddddd + 1 bytes back
 *     111DDDDD mmmmmmmm dddddddd           a match of mmmmmmmm + 9 bytes; at level 2, each 255 in front of mmmmmmmm adds 255
 *     at level 2, a distance field of all ones: two more bytes, big-endian, and 8192 are the distance
 */
const LITERAL_LIMIT = 32;
const LONG_MATCH = 7;
const FAR = 0x1fff;

/**
 * Fills `target` from `packed`. False where the block is broken: another level, a match before the start of `target`, an end that is
 * not that of `target`.
 */
export function expandFastLz(packed: Uint8Array, target: Uint8Array): boolean {
  const level = ((packed[0] ?? 0xff) >> 5) + 1;
  if (level > 2) return false;
  const end = packed.length;
  let from = 1;
  let to = 0;
  let control = (packed[0] ?? 0) & (LITERAL_LIMIT - 1);
  for (;;) {
    if (control < LITERAL_LIMIT) {
      const length = control + 1;
      if (from + length > end || to + length > target.length) return false;
      for (let index = 0; index < length; index++) target[to + index] = packed[from + index] ?? 0;
      from += length;
      to += length;
    } else {
      let length = (control >> 5) + 2;
      let field = (control & 31) << 8;
      if (control >> 5 === LONG_MATCH) {
        let more = 0;
        do {
          if (from >= end) return false;
          more = packed[from++] ?? 0;
          length += more;
        } while (level === 2 && more === 255);
      }
      if (from >= end) return false;
      field += packed[from++] ?? 0;
      if (level === 2 && field === FAR) {
        if (from + 2 > end) return false;
        field += ((packed[from] ?? 0) << 8) + (packed[from + 1] ?? 0);
        from += 2;
      }
      const source = to - field - 1;
      if (source < 0 || to + length > target.length) return false;
      copyMatch(target, source, { to, length });
      to += length;
    }
    if (from >= end) return to === target.length;
    control = packed[from++] ?? 0;
  }
}

/** Byte after byte where the two overlap, since the match then repeats what it has just written. */
function copyMatch(
  bytes: Uint8Array,
  from: number,
  { to, length }: { readonly to: number; readonly length: number },
): void {
  if (length > 64 && from + length <= to) {
    bytes.copyWithin(to, from, from + length);
    return;
  }
  for (let index = 0; index < length; index++) bytes[to + index] = bytes[from + index] ?? 0;
}
