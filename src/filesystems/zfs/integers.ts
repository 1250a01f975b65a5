/** 64-bit integers of structures: numbers where they are safe integers, bigint only for GUIDs, hashes and salts. */

/** Undefined when the number is beyond 2^53. */
export function getU64(source: Buffer, offset: number): number | undefined {
  const value = source.readUInt32LE(offset + 4) * 0x1_0000_0000 + source.readUInt32LE(offset);
  return Number.isSafeInteger(value) ? value : undefined;
}

/** `value` is a safe integer, and not negative. */
export function putU64(target: Buffer, value: number, offset: number): void {
  target.writeUInt32LE(value % 0x1_0000_0000, offset);
  target.writeUInt32LE(Math.floor(value / 0x1_0000_0000), offset + 4);
}

/** The same bytes as a Buffer, for its methods. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
