import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  decodePartitionEntry,
  encodePartitionEntry,
  hasBootSignature,
  readPartitionTable,
  setRootPartition,
} from "../../src/disks/mbr.ts";
import { capstanErrorOf, MemoryDisk, noise } from "./support.ts";

describe("a partition entry", () => {
  // Computed by hand: track = lba / 63, cylinder = track / 255, head = track % 255, sector = lba % 63 + 1.
  test.each([
    // 4096 = 65·63 + 1: head 65, sector 2. 4196 = 66·63 + 38: head 66, sector 39.
    ["2 MiB, 100 sectors", 4096, 100, "00 41 0200 83 42 2700 00100000 64000000"],
    // 8192 = 130·63 + 2: head 130, sector 3. 28672 = 455·63 + 7: cylinder 1, head 200, sector 8, 1<<6|8 = 0x48.
    ["4 MiB, 10 MiB", 8192, 20480, "00 82 0300 83 c8 4800 00200000 00500000"],
    ["the first sector", 0, 63, "00 00 0100 83 01 0100 00000000 3f000000"],
    ["the last sector of the first cylinder", 16064, 1, "00 fe 3f00 83 00 4100 c03e0000 01000000"],
    // 1024·255·63 = 16450560 is the first sector of cylinder 1024; the one before is 1023/254/63 by itself.
    ["the last address that CHS can hold", 16450559, 1, "00 fe ffff 83 fe ffff ff03fb00 01000000"],
    ["beyond it", 16450560, 16, "00 fe ffff 83 fe ffff 0004fb00 10000000"],
    // 16434495 = 1022·16065 + 16065 = 1023·16065: cylinder 1023, head 0, sector 1: 1023<<6|1 = 0xffc1.
    ["the last cylinder", 16434495, 1, "00 00 c1ff 83 00 c2ff 3fc5fa00 01000000"],
    ["the end of what 32 bits hold", 0xffffffff, 0xffffffff, "00 fe ffff 83 fe ffff ffffffff ffffffff"],
  ])("%s", (_, firstSector, sectorCount, hex) => {
    expect(encodePartitionEntry({ type: 0x83, firstSector, sectorCount }).toString("hex")).toBe(
      hex.replaceAll(" ", ""),
    );
  });

  test("decodes to what was encoded", () => {
    const u32 = fc.integer({ min: 0, max: 0xffffffff });
    const entry = fc.record({ type: fc.integer({ min: 1, max: 255 }), firstSector: u32, sectorCount: u32 });
    fc.assert(
      fc.property(entry, (it) => {
        expect(decodePartitionEntry(encodePartitionEntry(it))).toEqual(it);
      }),
    );
  });

  test("never starts in sector 0 of a track, which the kernel takes for an empty entry", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffffffff }), (firstSector) => {
        const bytes = encodePartitionEntry({ type: 0x83, firstSector, sectorCount: 1 });
        expect(bytes.readUInt16LE(2) & 63).toBeGreaterThan(0);
      }),
    );
  });

  test.each([
    ["type 0", "00 41 0200 00 42 2700 00100000 64000000"],
    ["start sector 0 in the track", "00 41 c0ff 83 42 2700 00100000 64000000"],
  ])("with %s counts as none", (_, hex) => {
    expect(decodePartitionEntry(Buffer.from(hex.replaceAll(" ", ""), "hex"))).toBeUndefined();
  });

  test("of 2 TiB is an error", () => {
    const error = capstanErrorOf(() => encodePartitionEntry({ type: 0x83, firstSector: 0, sectorCount: 2 ** 32 }));
    expect(error.code).toBe("partition-too-large");
  });
});

describe("the table", () => {
  test("gets its second entry and the signatures, and keeps all else", () => {
    const disk = new MemoryDisk(noise(8192));
    const expected = Buffer.from(disk.bytes);
    setRootPartition(disk, { start: 512, size: 512 * 15 });
    expected.set(Buffer.from("0000020083001100010000000f000000", "hex"), 0x1ce);
    expected.set([0x56, 0x53, 0x4f, 0], 0x1b8);
    expected.set([0x55, 0xaa], 0x1fe);
    expect(disk.bytes.equals(expected)).toBe(true);
  });

  test("is read back", () => {
    const disk = new MemoryDisk(Buffer.alloc(4 << 20));
    expect(hasBootSignature(disk)).toBe(false);
    setRootPartition(disk, { start: 2 << 20, size: 1 << 20 });
    expect(hasBootSignature(disk)).toBe(true);
    expect(readPartitionTable(disk)).toEqual([{ number: 2, type: 0x83, start: 2 << 20, size: 1 << 20 }]);
  });

  test("has all four entries, in order", () => {
    const disk = new MemoryDisk(Buffer.alloc(512));
    for (const [index, at] of [0x1be, 0x1ce, 0x1de, 0x1ee].entries()) {
      encodePartitionEntry({ type: index + 1, firstSector: index, sectorCount: 10 }).copy(disk.bytes, at);
    }
    disk.bytes.set([0x55, 0xaa], 0x1fe);
    expect(readPartitionTable(disk).map(({ number, type, start }) => [number, type, start])).toEqual([
      [1, 1, 0],
      [2, 2, 512],
      [3, 3, 1024],
      [4, 4, 1536],
    ]);
  });

  test("without 55 AA there are no partitions, as for the kernel", () => {
    const disk = new MemoryDisk(Buffer.alloc(4 << 20));
    setRootPartition(disk, { start: 2 << 20, size: 1 << 20 });
    disk.bytes[0x1ff] = 0;
    expect(readPartitionTable(disk)).toEqual([]);
  });

  test.each([0, 1, 511])("a disk of %d bytes has none", (size) => {
    expect(readPartitionTable(new MemoryDisk(Buffer.alloc(size)))).toEqual([]);
    expect(hasBootSignature(new MemoryDisk(Buffer.alloc(size)))).toBe(false);
  });

  test.each([
    ["not on a sector", 100, 512],
    ["not of whole sectors", 512, 100],
    ["outside the disk", 512, 1024],
  ])("a partition that is %s is refused", (_, start, size) => {
    expect(() => setRootPartition(new MemoryDisk(Buffer.alloc(1024)), { start, size })).toThrow(RangeError);
  });
});
