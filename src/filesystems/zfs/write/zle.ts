/**
 * Compression that only knows runs of zeros: a byte c below 64 stands before c + 1 bytes as they are, any other for
 * c - 63 zeros (OSv's zle.c, with n = 64). Returns the length, or undefined where `target` is too small for it.
 */
export function compressZle(source: Uint8Array, target: Uint8Array): number | undefined {
  let length = 0;
  for (let at = 0; at < source.length; ) {
    const start = at;
    if (source[at] === 0) {
      const limit = Math.min(source.length, at + MAX_ZEROS);
      while (at < limit && source[at] === 0) at++;
      if (length + 1 > target.length) return undefined;
      target[length++] = LITERALS - 1 + (at - start);
    } else {
      const limit = Math.min(source.length, at + LITERALS);
      // A single zero costs as much as it saves.
      while (at < limit && (source[at] !== 0 || (at + 1 < limit && source[at + 1] !== 0))) at++;
      const count = at - start;
      if (length + 1 + count > target.length) return undefined;
      target[length++] = count - 1;
      target.set(source.subarray(start, at), length);
      length += count;
    }
  }
  return length;
}

const LITERALS = 64;
const MAX_ZEROS = 256 - LITERALS;
