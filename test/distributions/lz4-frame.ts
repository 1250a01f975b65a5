/** An LZ4 frame of one block that holds a text as literals alone: enough for a reader to unpack. */
export function lz4Frame(text: string): Buffer {
  return frame(literals(Buffer.from(text)));
}

/** A frame around a block: magic, FLG (version 1, independent blocks), BD (4 MiB), header checksum (not looked at). */
export function frame(...blocks: readonly Uint8Array[]): Buffer {
  const parts: Uint8Array[] = [Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x60, 0x70, 0x00])];
  for (const block of blocks) parts.push(u32(block.length), block);
  return Buffer.concat([...parts, u32(0)]);
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
}

/** The last sequence of a block: a token, the length in steps of 255, the bytes. */
export function literals(bytes: Buffer): Buffer {
  return Buffer.concat([lengthAfter(bytes.length, 4, 0), bytes]);
}

/** A token with the number of literals in its high bits, and what does not go in there. `low`: the match's bits. */
export function lengthAfter(count: number, shift: 4, low: number): Buffer {
  if (count < 15) return Buffer.from([(count << shift) | low]);
  const rest = count - 15;
  return Buffer.from([(15 << shift) | low, ...Array<number>(Math.floor(rest / 255)).fill(255), rest % 255]);
}
