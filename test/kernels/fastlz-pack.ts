/** A plain FastLZ compressor, to have something to unpack: it looks for the longest match by trying all places of the window. */
export function packFastLz(bytes: Uint8Array, level: 1 | 2, window = 512): Buffer {
  const out: number[] = [];
  let literals: number[] = [];
  const flush = (): void => {
    for (let at = 0; at < literals.length; at += 32) {
      const run = literals.slice(at, at + 32);
      out.push(run.length - 1, ...run);
    }
    literals = [];
  };
  let at = 0;
  while (at < bytes.length) {
    const match = at === 0 ? undefined : longestMatch(bytes, at, window);
    if (match === undefined) {
      literals.push(bytes[at++] ?? 0);
      continue;
    }
    flush();
    out.push(...instruction(match.length, match.distance, level));
    at += match.length;
  }
  flush();
  const packed = Buffer.from(out);
  packed[0] = (packed[0] ?? 0) | ((level - 1) << 5);
  return packed;
}

function longestMatch(bytes: Uint8Array, at: number, window: number) {
  let best: { readonly length: number; readonly distance: number } | undefined;
  for (let distance = 1; distance <= Math.min(window, at); distance++) {
    let length = 0;
    while (at + length < bytes.length && length < 264 && bytes[at + length] === bytes[at + length - distance]) length++;
    if (length >= 3 && length > (best?.length ?? 0)) best = { length, distance };
  }
  return best;
}

/** One match, of 3 bytes at least. */
export function instruction(length: number, distance: number, level: 1 | 2): readonly number[] {
  const far = level === 2 && distance > 8191;
  const field = far ? 0x1fff : distance - 1;
  const tail = far ? [0xff, (distance - 8192) >> 8, (distance - 8192) & 0xff] : [field & 0xff];
  if (length < 9) return [((length - 2) << 5) | (field >> 8), ...tail];
  const more: number[] = [];
  let rest = length - 9;
  if (level === 2) for (; rest >= 255; rest -= 255) more.push(255);
  return [(7 << 5) | (field >> 8), ...more, rest, ...tail];
}
