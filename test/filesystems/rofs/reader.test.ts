import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { FileTree, TreeEntry } from "../../../src/filesystems/filetree.ts";
import { FIRST_DATA_BLOCK, INODE_SIZE } from "../../../src/filesystems/rofs/layout.ts";
import { isRofs, openRofs } from "../../../src/filesystems/rofs/reader.ts";
import { planRofs, writeRofs } from "../../../src/filesystems/rofs/writer.ts";
import { readDeviceFile } from "../../../src/filesystems/tree-image.ts";
import { CapstanError } from "../../../src/support/errors.ts";
import { MemoryDevice } from "../../support/memory-device.ts";
import { bytesOf, contentsOf, patterned, tree, treeArbitrary } from "../trees.ts";

const SAMPLE = tree({
  bin: { sh: patterned(1500, 1), link: ["../etc/passwd"] },
  etc: { passwd: "root\n", gone: ["/nowhere"], here: ["."] },
  empty: {},
  ü: "",
});

async function write(root: FileTree): Promise<Uint8Array> {
  const plan = planRofs(root);
  const device = new MemoryDevice(plan.size);
  await writeRofs(plan, device);
  return device.bytes;
}

const sample = await write(SAMPLE);
const onDevice = (entry: Parameters<typeof readDeviceFile>[0]) => Buffer.concat([...readDeviceFile(entry)]);

describe("an image", () => {
  const image = openRofs(new MemoryDevice(sample));

  test("tells its size, and looks as it does to a guest", () => {
    expect(image.size).toBe(sample.length);
    expect(image.superblock).toMatchObject({ directoryEntryCount: 9, linkCount: 3, inodeCount: 10 });
    expect(image.lookup("/bin/sh")).toMatchObject({ type: "file", size: 1500, mode: 0o555, mtime: 0 });
  });

  test("lists folders in the order of bytes, and files as themselves", () => {
    expect(image.list("/").map(({ name }) => name)).toEqual(["bin", "empty", "etc", "ü"]);
    expect(image.list("/etc/here/here").map(({ name }) => name)).toEqual(["gone", "here", "passwd"]);
    expect(image.list("/bin/sh")).toEqual([{ name: "sh", entry: image.lookup("/bin/sh") }]);
    expect(image.list("/empty")).toEqual([]);
  });

  test("reads files, through links", () => {
    expect(String(Buffer.concat([...image.readFile("/bin/link")]))).toBe("root\n");
    expect(Buffer.concat([...image.readFile("bin/sh")]).equals(patterned(1500, 1))).toBe(true);
    expect([...image.readFile("/ü")]).toEqual([]);
    expect(image.readLink("/bin/link")).toBe("../etc/passwd");
  });

  test.each<[string, string, () => unknown]>([
    ["no-such-file", "'/no' does not exist", () => image.list("/no")],
    ["no-such-file", "link to '/nowhere'", () => image.readFile("/etc/gone")],
    ["wrong-file-type", "'/etc' is a directory", () => image.readFile("/etc")],
    ["wrong-file-type", "'/ü' is a file", () => image.readLink("/ü")],
  ])("%s: %s", (code, message, read) => {
    expect(read).toThrow(expect.objectContaining({ code, message: expect.stringContaining(message) }));
  });

  test("walks", () => {
    expect([...image.walk()].map(({ path }) => path)).toEqual([...contentsOf(SAMPLE, bytesOf).keys()]);
  });

  test("large files come in pieces of at most 1 MiB that stay as they are", async () => {
    const big = openRofs(new MemoryDevice(await write(tree({ big: patterned(2_500_000, 1) }))));
    const chunks = [...big.readFile("/big")];
    expect(chunks.map((chunk) => chunk.length)).toEqual([1048576, 1048576, 2_500_000 - 2 * 1048576]);
    expect(Buffer.concat(chunks).equals(patterned(2_500_000, 1))).toBe(true);
  });
});

/**
 * How other programs write the same tree: OSv's generator, and the original Capstan, which gives every file one block
 * too many and does not pad the tables. Both number inodes depth first, and put the entries of a folder behind those
 * of the folders in it.
 */
function asOthersWrite(root: FileTree, style: { spareBlocks: number; padded: boolean }): Buffer {
  const inodes: { mode: number; place: number; count: number }[] = [];
  const entries: Buffer[] = [];
  const links: Buffer[] = [];
  const data: Buffer[] = [Buffer.alloc(512)];
  const blocks = () => data.reduce((sum, part) => sum + part.length, 0) / 512;
  const u64 = (...values: number[]) => {
    const bytes = Buffer.alloc(8 * values.length);
    for (const [index, value] of values.entries()) bytes.writeBigUInt64LE(BigInt(value), 8 * index);
    return bytes;
  };
  const text = (value: string) =>
    Buffer.concat([Buffer.from([value.length & 255, value.length >> 8]), Buffer.from(value)]);
  const add = (entry: TreeEntry): number => {
    const inode = { mode: 0, place: 0, count: 0 };
    const number = inodes.push(inode);
    if (entry.type === "symlink") {
      Object.assign(inode, { mode: 0xa000, place: links.push(text(entry.target)) - 1, count: 1 });
    } else if (entry.type === "file") {
      Object.assign(inode, { mode: 0x8000, place: blocks(), count: entry.size });
      const bytes = Buffer.alloc((Math.ceil(entry.size / 512) + style.spareBlocks) * 512, 0xee);
      bytes.set(bytesOf(entry));
      data.push(bytes);
    } else {
      const children = [...entry.children].map(([name, child]) => Buffer.concat([u64(add(child)), text(name)]));
      Object.assign(inode, { mode: 0x4000, place: entries.length, count: children.length });
      entries.push(...children);
    }
    return number;
  };
  add(root);
  const first = blocks();
  const tables = [
    ...entries,
    ...links,
    ...inodes.map(({ mode, place, count }, index) => u64(mode, index + 1, place, count)),
  ];
  const structure = Buffer.concat(tables);
  const count = Math.ceil(structure.length / 512);
  data[0]?.set(u64(0xdeadbead, 1, 512, first, count, entries.length, links.length, inodes.length));
  const padding = style.padded ? count * 512 - structure.length : 0;
  return Buffer.concat([...data, structure, Buffer.alloc(padding)]);
}

describe("images of others", () => {
  const ascii = tree({
    a: { one: patterned(511, 1), two: patterned(512, 2), b: { zero: "", l: ["/a/one"] } },
    z: "end",
  });

  test.each([
    ["OSv's generator", { spareBlocks: 0, padded: true }],
    ["the original Capstan", { spareBlocks: 1, padded: false }],
  ])("%s", (_name, style) => {
    const image = openRofs(new MemoryDevice(asOthersWrite(ascii, style)));
    expect(contentsOf(image.tree, onDevice)).toEqual(contentsOf(ascii, bytesOf));
  });
});

describe("what is no sound image", () => {
  /** The sample with u64 fields changed, by their offset. */
  function changed(...changes: readonly (readonly [offset: number, value: number | bigint])[]): MemoryDevice {
    const bytes = Buffer.from(sample);
    for (const [offset, value] of changes) bytes.writeBigUInt64LE(BigInt(value), offset);
    return new MemoryDevice(bytes);
  }
  const tables = Buffer.from(sample).readUInt32LE(24) * 512;
  // Entries: bin, empty, etc, ü, then link and sh of bin, then gone, here, passwd of etc.
  const entryOffsets = [tables];
  for (const length of [3, 5, 3, 2, 4, 2, 4, 4]) entryOffsets.push((entryOffsets.at(-1) ?? 0) + 10 + length);
  const entry = (index: number) => entryOffsets[index] ?? 0;
  const inodes = entry(8) + 10 + 6 + (2 + 13) + (2 + 8) + (2 + 1);
  const inode = (number: number, field: number) => inodes + (number - 1) * 32 + field * 8;

  test("the offsets that these tests change are right", () => {
    const bytes = Buffer.from(sample);
    expect(bytes.toString("utf8", entry(8) + 10, entry(8) + 16)).toBe("passwd");
    expect(bytes.readUInt32LE(inode(1, 0))).toBe(0x4000);
    expect(bytes.readUInt32LE(inode(10, 1))).toBe(10);
  });

  test.each([0, 1, 511])("a device of %i bytes", (size) => {
    expect(isRofs(new MemoryDevice(size))).toBe(false);
    expect(() => openRofs(new MemoryDevice(size))).toThrow(expect.objectContaining({ code: "not-rofs" }));
  });

  test("another magic number", () => {
    expect(isRofs(changed())).toBe(true);
    expect(isRofs(changed([0, 0xdeadbeaf]))).toBe(false);
    expect(() => openRofs(changed([0, 0xdeadbeaf]))).toThrow(expect.objectContaining({ code: "not-rofs" }));
  });

  const HUGE = 2n ** 63n;
  test.each<[string, (readonly [number, number | bigint])[]]>([
    ["version is 2", [[8, 2]]],
    ["blocks have 4096 bytes", [[16, 4096]]],
    ["start within the superblock", [[24, 0]]],
    ["tables lie behind the end", [[24, 1 << 30]]],
    ["tables lie behind the end", [[24, 2 ** 52]]],
    ["disk ends within its tables", [[32, 1000]]],
    ["tables have 9007199254740991 blocks", [[32, 2n ** 53n - 1n]]],
    ["tables are too large", [[32, 0]]],
    ["directory entries for", [[40, 10]]],
    ["directory entries for", [[56, 0]]],
    [
      "inodes",
      [
        [40, 2 ** 32],
        [56, 2 ** 32 + 1],
      ],
    ],
    [
      "tables are too large",
      [
        [40, 2 ** 30],
        [56, 2 ** 30 + 1],
      ],
    ],
    ["tables are too large", [[48, 2 ** 50]]],
    ["beyond any disk", [[24, HUGE]]],
    ["first inode is not a directory", [[inode(1, 0), 0x8000]]],
    ["entries of '/' lie outside", [[inode(1, 3), 10]]],
    ["entries of '/' lie outside", [[inode(1, 2), 2n ** 53n - 1n]]],
    ["'/bin' has entries of another", [[inode(2, 2), 0]]],
    ["entries belong to no directory", [[inode(1, 3), 3]]],
    ["'/bin' has no inode", [[entry(0), 0]]],
    ["'/bin' has no inode", [[entry(0), 11]]],
    ["'/bin' has no inode", [[entry(0), HUGE]]],
    ["'/bin' has the inode of another", [[entry(0), 1]]],
    ["has the inode of another", [[entry(0), 5]]],
    ["has the number 9, not 2", [[inode(2, 1), 9]]],
    ["'/bin' is of the unknown type 0x0", [[inode(2, 0), 0]]],
    ["'/bin' is of the unknown type 0x100004000", [[inode(2, 0), 0x1_0000_4000]]],
    ["beyond any disk", [[inode(7, 3), HUGE]]],
    ["content of '/bin/sh' lies outside", [[inode(7, 3), 1 << 20]]],
    ["content of '/bin/sh' lies outside", [[inode(7, 2), 0]]],
    ["content of '/bin/sh' lies outside", [[inode(7, 2), 2n ** 53n - 1n]]],
    ["content of '/ü' lies outside", [[inode(5, 2), 1000]]],
    ["'/bin/link' is a link without a target", [[inode(6, 2), 3]]],
    ["'/bin/link' is a link with 2 targets", [[inode(6, 3), 2]]],
  ])("its %s", (message, changes) => {
    expect(() => openRofs(changed(...changes))).toThrow(
      expect.objectContaining({ code: "bad-rofs", message: expect.stringContaining(message) }),
    );
  });

  test.each<[string, number, number[]]>([
    ["there are two '/etc'", entry(0) + 10, [0x65, 0x74, 0x63]],
    ["cut off", entry(0) + 8, [0xff, 0xff]],
    ["cut off", entry(8) + 16, [0xff, 0xff]],
    ["inodes lie behind", entry(8) + 16 + 15 + 10, [100, 0]],
  ])("%s", (message, offset, bytes) => {
    const image = Buffer.from(sample);
    image.set(bytes, offset);
    expect(() => openRofs(new MemoryDevice(image))).toThrow(
      expect.objectContaining({ code: "bad-rofs", message: expect.stringContaining(message) }),
    );
  });

  const style = { spareBlocks: 0, padded: true };
  test.each([
    ["", "a part of it is empty"],
    [".", "'.' is not a name"],
    ["..", "'..' is not a name"],
    ["../../etc/passwd", "slash"],
    ["a\0b", "NUL"],
    ["n".repeat(256), "longer than 255"],
  ])("D5: the name %j", (name, message) => {
    const image = asOthersWrite(tree({ d: { ...Object.fromEntries([[name, "x"]]) } }), style);
    expect(() => openRofs(new MemoryDevice(image))).toThrow(
      expect.objectContaining({
        code: "bad-rofs",
        message: expect.stringMatching(new RegExp(`bad name in '/d'.*${message}`)),
      }),
    );
  });

  test.each(["", "a\0b", "x".repeat(4096)])("a link to %j", (target) => {
    const image = asOthersWrite(tree({ l: [target] }), style);
    expect(() => openRofs(new MemoryDevice(image))).toThrow(
      expect.objectContaining({ code: "bad-rofs", message: expect.stringContaining("'/l' is a bad link") }),
    );
  });

  test("files that all are the whole of the disk", async () => {
    const files = Object.fromEntries(Array.from({ length: 1500 }, (_, index) => [`f${index}`, "x".repeat(400)]));
    const bytes = Buffer.from(await write(tree(files)));
    const { inodeCount } = openRofs(new MemoryDevice(bytes)).superblock;
    let at = bytes.length - INODE_SIZE;
    while (bytes.readBigUInt64LE(at + 8) !== BigInt(inodeCount)) at--;
    for (let inode = inodeCount; inode > 1; inode--, at -= INODE_SIZE) {
      bytes.writeBigUInt64LE(BigInt(FIRST_DATA_BLOCK), at + 16);
      bytes.writeBigUInt64LE(BigInt(1500 * 512), at + 24);
    }
    expect(() => openRofs(new MemoryDevice(bytes))).toThrow(/far more bytes than its disk/);
  });

  test("folders in each other beyond the longest path", () => {
    let root = tree({});
    for (let level = 0; level < 50; level++) root = { ...tree({}), children: new Map([["d".repeat(100), root]]) };
    expect(() => openRofs(new MemoryDevice(asOthersWrite(root, style)))).toThrow(
      expect.objectContaining({ code: "bad-rofs", message: expect.stringContaining("too long") }),
    );
  });

  test("whatever is changed in it, the reader gives a tree or says that it is damaged", () => {
    const place = fc.oneof(fc.nat(63), fc.integer({ min: tables, max: sample.length - 1 }));
    const value = fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 0x2e, 0x2f, 0x7f, 0x80, 0xff));
    const damage = fc.array(fc.tuple(place, value), { minLength: 1, maxLength: 8 });
    let sound = 0;
    fc.assert(
      fc.property(damage, fc.option(fc.nat(sample.length), { freq: 10 }), (changes, cut) => {
        const bytes = Buffer.from(sample);
        for (const [offset, byte] of changes) bytes[offset] = byte;
        const device = new MemoryDevice(bytes.subarray(0, cut ?? bytes.length));
        if (!isSound(device)) return;
        sound++;
        const found = contentsOf(openRofs(device).tree, onDevice);
        expect(found.size).toBe(openRofs(device).superblock.directoryEntryCount);
      }),
      { numRuns: 5000 },
    );
    expect(sound).toBeGreaterThan(0);
  });

  test("random trees with random damage", async () => {
    await fc.assert(
      fc.asyncProperty(
        treeArbitrary,
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }),
        async (root, changes) => {
          const bytes = await write(root);
          const start = Buffer.from(bytes.buffer, bytes.byteOffset).readUInt32LE(24) * 512;
          for (const [offset, byte] of changes) bytes[start + (offset % (bytes.length - start))] = byte;
          const device = new MemoryDevice(bytes);
          if (isSound(device)) contentsOf(openRofs(device).tree, onDevice);
        },
      ),
      { numRuns: 200 },
    );
  });

  function isSound(device: MemoryDevice): boolean {
    try {
      openRofs(device);
      return true;
    } catch (error) {
      expect(error).toBeInstanceOf(CapstanError);
      return false;
    }
  }
});
