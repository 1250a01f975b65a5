import { packFastLz } from "./fastlz-pack.ts";

const MiB = 1024 * 1024;

/**
 * A loader image as OSv's build makes it, with `kernel` packed in it behind `before` bytes of an ELF32 file that is none but for its start.
 * Only the last segment is packed for real, so that tests stay quick.
 */
export function loaderImage(kernel: Uint8Array, before = 1000): Buffer {
  const segments: { readonly size: number; readonly packed: Uint8Array }[] = [];
  for (let at = 0; at <= kernel.length; at += MiB) {
    const part = kernel.subarray(at, at + MiB);
    const small =
      part.length > 0 && part.length < 64 * 1024 ? packFastLz(part, segments.length % 2 === 0 ? 1 : 2) : part;
    segments.push({ size: part.length, packed: small.length < part.length ? small : part });
  }
  const boot = Buffer.alloc(65536);
  boot.set([0x55, 0xaa], 0x1fe);
  const program = Buffer.alloc(before, 0x90);
  program.write("\x7fELF\x01\x01\x01", "latin1");
  const packedSize = segments.reduce((sum, { packed }) => sum + packed.length, 0);
  const offset = Buffer.alloc(4);
  offset.writeUInt32LE(4 + packedSize);
  const table = Buffer.alloc(4 + 8 * segments.length);
  table.writeUInt32LE(segments.length);
  segments.forEach(({ size, packed }, index) => {
    table.writeUInt32LE(size, 4 + 8 * index);
    table.writeUInt32LE(packed.length, 8 + 8 * index);
  });
  const image = Buffer.concat([
    boot,
    program,
    offset,
    ...segments.map(({ packed }) => packed),
    table,
    Buffer.alloc(5000),
  ]);
  image.writeUInt16LE(Math.ceil((image.length - 65536) / 32768), 0x10);
  return image;
}
