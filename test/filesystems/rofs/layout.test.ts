import { expect, test } from "vitest";
import {
  decodeInode,
  decodeSuperblock,
  encodeInode,
  encodeSuperblock,
  getU64,
} from "../../../src/filesystems/rofs/layout.ts";
import { planRofs, writeRofs } from "../../../src/filesystems/rofs/writer.ts";
import { MemoryDevice } from "../../support/memory-device.ts";
import { tree } from "../trees.ts";

/** Blocks of 512 bytes from lines of hexadecimal digits; what is not given is zero. */
function blocks(...lines: readonly string[][]): Buffer {
  return Buffer.concat(
    lines.map((block) => {
      const bytes = Buffer.from(block.join("").replaceAll(" ", ""), "hex");
      return Buffer.concat([bytes, Buffer.alloc(512 - bytes.length)]);
    }),
  );
}

test("a small image, byte by byte", async () => {
  const plan = planRofs(tree({ é: "hi", d: {}, l: ["/x"] }));
  const device = new MemoryDevice(plan.size);
  await writeRofs(plan, device);
  const expected = blocks(
    [
      "ad be ad de 00 00 00 00", // magic
      "01 00 00 00 00 00 00 00", // version
      "00 02 00 00 00 00 00 00", // block size
      "02 00 00 00 00 00 00 00", // the tables start at block 2
      "01 00 00 00 00 00 00 00", // and take 1 block
      "03 00 00 00 00 00 00 00", // directory entries
      "01 00 00 00 00 00 00 00", // links
      "04 00 00 00 00 00 00 00", // inodes
    ],
    ["68 69"],
    [
      "02 00 00 00 00 00 00 00  01 00  64", // d
      "03 00 00 00 00 00 00 00  01 00  6c", // l
      "04 00 00 00 00 00 00 00  02 00  c3 a9", // é
      "02 00  2f 78", // to /x
      "00 40 00 00 00 00 00 00  01 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  03 00 00 00 00 00 00 00", // the root
      "00 40 00 00 00 00 00 00  02 00 00 00 00 00 00 00  03 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00", // d
      "00 a0 00 00 00 00 00 00  03 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  01 00 00 00 00 00 00 00", // l
      "00 80 00 00 00 00 00 00  04 00 00 00 00 00 00 00  01 00 00 00 00 00 00 00  02 00 00 00 00 00 00 00", // é
    ],
  );
  expect(Buffer.from(device.bytes).toString("hex")).toBe(expected.toString("hex"));
});

test("an empty tree has one inode and no data", async () => {
  const plan = planRofs(tree({}));
  const device = new MemoryDevice(plan.size);
  await writeRofs(plan, device);
  const expected = blocks(
    ["adbeadde00000000 0100000000000000 0002000000000000 0100000000000000 0100000000000000", "00".repeat(16), "01"],
    ["0040000000000000 0100000000000000"],
  );
  expect(Buffer.from(device.bytes).toString("hex")).toBe(expected.toString("hex"));
});

test("records beyond 4 GiB come back as they were", () => {
  const inode = { mode: 0x8000, number: 7, dataOffset: 2 ** 40 + 3, count: 2 ** 52 + 1 };
  const bytes = Buffer.alloc(40);
  expect(encodeInode(bytes, inode, 8)).toBe(40);
  expect(decodeInode(bytes, 8)).toEqual(inode);
  expect(bytes.readBigUInt64LE(24)).toBe(2n ** 40n + 3n);
});

test("numbers beyond 2^53 are none", () => {
  const block = encodeSuperblock({
    magic: 0xdeadbead,
    version: 1,
    blockSize: 512,
    structureFirstBlock: 1,
    structureBlockCount: 1,
    directoryEntryCount: 0,
    linkCount: 0,
    inodeCount: 1,
  });
  expect(decodeSuperblock(block)).toMatchObject({ inodeCount: 1 });
  block.writeBigUInt64LE(2n ** 53n - 1n, 56);
  expect(decodeSuperblock(block)).toMatchObject({ inodeCount: Number.MAX_SAFE_INTEGER });
  block.writeBigUInt64LE(2n ** 53n, 56);
  expect(decodeSuperblock(block)).toBeUndefined();
  expect(getU64(Buffer.alloc(8, 0xff), 0)).toBeUndefined();
});
