import { describe, expect, test } from "vitest";
import {
  type BlockPointer,
  decodeBlockPointer,
  encodeBlockPointer,
} from "../../../src/filesystems/zfs/block-pointer.ts";
import { Fletcher4, fletcher4 } from "../../../src/filesystems/zfs/fletcher4.ts";
import { Checksum, Compression, DATA_START } from "../../../src/filesystems/zfs/layout.ts";
import { BlockReader } from "../../../src/filesystems/zfs/read/block-reader.ts";
import { sha256Words } from "../../../src/filesystems/zfs/uberblock.ts";
import { MemoryDevice } from "../../support/memory-device.ts";
import { patterned } from "../trees.ts";

const BIRTH = 7;

/** A pointer to one copy of `bytes`, which are put there. */
function put(device: MemoryDevice, bytes: Uint8Array, offset: number): BlockPointer {
  device.bytes.set(bytes, DATA_START + offset);
  const encoded = Buffer.alloc(128);
  const numbers = { compression: Compression.off, checksum: Checksum.fletcher4, type: 19, level: 0, birth: BIRTH };
  const sum = fletcher4(bytes);
  encodeBlockPointer(encoded, { ...numbers, lsize: bytes.length, psize: bytes.length, fill: 1, sum, offset }, 0);
  return decodeBlockPointer(encoded, 0) as BlockPointer;
}

function encode(pointer: BlockPointer): Buffer {
  const encoded = Buffer.alloc(128);
  const [dva] = pointer.dvas;
  encodeBlockPointer(encoded, { ...pointer, offset: dva?.offset ?? 0 }, 0);
  if (dva?.gang) encoded[15] = 0x80;
  return encoded;
}

/** A gang block: a header of three pointers, sealed with the place and birth of the whole (zio.h: zio_gbh_phys_t). */
function gang(device: MemoryDevice, pieces: readonly BlockPointer[], whole: Uint8Array, offset: number): BlockPointer {
  const header = Buffer.alloc(512);
  for (const [index, piece] of pieces.entries()) header.set(encode(piece), 128 * index);
  const end = Buffer.alloc(40);
  end.writeBigUInt64LE(0x0210da7ab10c7a11n, 0);
  end.writeBigUInt64LE(BigInt(offset), 16);
  end.writeBigUInt64LE(BigInt(BIRTH), 24);
  end.set(sha256Words(header.subarray(0, 472), end), 8);
  header.set(end, 472);
  const pointer = put(device, header, offset);
  const dvas = [{ vdev: 0, asize: 512, offset, gang: true }];
  return { ...pointer, dvas, lsize: whole.length, psize: whole.length, sum: fletcher4(whole) };
}

function read(device: MemoryDevice, pointer: BlockPointer): Buffer {
  const target = Buffer.alloc(pointer.lsize);
  new BlockReader(device).read(pointer, target, "a test");
  return target;
}

const isBad = expect.objectContaining({ code: "bad-zfs" });
const makeDevice = () => new MemoryDevice(new Uint8Array(DATA_START + 1024 * 1024));
const BYTES = patterned(4096, 1);

describe("copies", () => {
  test("the first that is sound is taken", () => {
    const device = makeDevice();
    const one = put(device, BYTES, 0);
    const two = put(device, BYTES, 8192);
    const both = { ...one, dvas: [...one.dvas, ...two.dvas] };
    const reader = new BlockReader(device);
    expect(reader.unsoundCopies(both, "a test")).toEqual([]);
    device.bytes[DATA_START] = (device.bytes[DATA_START] ?? 0) ^ 1;
    expect(read(device, both).equals(BYTES)).toBe(true);
    expect(reader.unsoundCopies(both, "a test")).toEqual([0]);
    expect(() => read(device, one)).toThrow(isBad);
  });

  test("one that lies behind the end of the device is none", () => {
    const device = makeDevice();
    const pointer = put(device, BYTES, 0);
    const far = { ...pointer, dvas: [{ vdev: 0, asize: 4096, offset: 1024 * 1024 - 512, gang: false }] };
    expect(() => read(device, far)).toThrow(isBad);
    expect(read(device, { ...far, dvas: [...far.dvas, ...pointer.dvas] }).equals(BYTES)).toBe(true);
  });
});

test.each([
  ["fletcher2", Checksum.fletcher2],
  ["sha256", Checksum.sha256],
])("%s", (_, checksum) => {
  const device = makeDevice();
  const sum = new Uint8Array(32);
  if (checksum === Checksum.sha256) {
    sum.set(sha256Words(BYTES));
  } else {
    const machine = new Fletcher4(BYTES.length);
    machine.memory.set(BYTES);
    machine.sumFletcher2(0, BYTES.length, sum, 0);
  }
  const pointer = { ...put(device, BYTES, 512), checksum, sum };
  expect(read(device, pointer).equals(BYTES)).toBe(true);
  device.bytes.fill(1, DATA_START + 600, DATA_START + 602);
  expect(() => read(device, pointer)).toThrow(isBad);
});

test("without a checksum anything is taken", () => {
  const device = makeDevice();
  const pointer = { ...put(device, BYTES, 512), checksum: Checksum.off };
  device.bytes.fill(0, DATA_START + 512, DATA_START + 512 + 4096);
  expect(read(device, pointer).equals(Buffer.alloc(4096))).toBe(true);
});

describe("gang blocks", () => {
  const whole = Buffer.concat([patterned(1024, 2), patterned(512, 3), patterned(2560, 4)]);

  function sample(device: MemoryDevice): BlockPointer {
    const inner = gang(
      device,
      [put(device, whole.subarray(1536, 2048), 8192), put(device, whole.subarray(2048), 16384)],
      whole.subarray(1536),
      32768,
    );
    const pieces = [put(device, whole.subarray(0, 1024), 0), put(device, whole.subarray(1024, 1536), 4096), inner];
    return gang(device, pieces, whole, 65536);
  }

  test("are put together from their pieces, gangs in gangs as well", () => {
    const device = makeDevice();
    expect(read(device, sample(device)).equals(whole)).toBe(true);
  });

  test.each([
    ["a header that is wrong", 65536 + 20],
    ["an inner header that is wrong", 32768 + 20],
    ["a piece that is wrong", 16384],
  ])("%s", (_, offset) => {
    const device = makeDevice();
    const pointer = sample(device);
    device.bytes[DATA_START + offset] = (device.bytes[DATA_START + offset] ?? 0) ^ 4;
    expect(() => read(device, pointer)).toThrow(isBad);
  });

  test("one that names itself ends", () => {
    const device = makeDevice();
    const self = gang(device, [], whole, 0);
    const again = gang(device, [self, self, self], whole, 0);
    expect(() => read(device, again)).toThrow(isBad);
  });
});

test.each<[string, Partial<BlockPointer>, string]>([
  ["more on disk than unpacked", { psize: 8192 }, "bad-zfs"],
  ["more than 128 KiB", { lsize: 262144, psize: 262144 }, "zfs-feature"],
  ["another byte order", { littleEndian: false }, "zfs-feature"],
  ["another disk", { dvas: [{ vdev: 1, asize: 4096, offset: 0, gang: false }] }, "zfs-feature"],
])("%s is refused", (_, change, code) => {
  const device = makeDevice();
  expect(() => read(device, { ...put(device, BYTES, 0), ...change })).toThrow(expect.objectContaining({ code }));
});

test("a block of metadata that has changed its birth is read again", () => {
  const device = makeDevice();
  const reader = new BlockReader(device);
  const old = put(device, BYTES, 0);
  expect(reader.metadata(old, "a test").equals(BYTES)).toBe(true);
  const other = patterned(4096, 9);
  const now = { ...put(device, other, 0), birth: BIRTH + 1 };
  expect(reader.metadata(now, "a test").equals(other)).toBe(true);
});
