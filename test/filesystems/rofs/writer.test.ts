import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ContentStream, FileEntry, FileTree } from "../../../src/filesystems/filetree.ts";
import { openRofs } from "../../../src/filesystems/rofs/reader.ts";
import { planRofs, writeRofs } from "../../../src/filesystems/rofs/writer.ts";
import { createTree, insert } from "../../../src/filesystems/tree-builder.ts";
import { readDeviceFile } from "../../../src/filesystems/tree-image.ts";
import { MemoryDevice } from "../../support/memory-device.ts";
import {
  BORDER_SIZES,
  bytesOf,
  contentsOf,
  file,
  link,
  patterned,
  type SketchFolder,
  tree,
  treeArbitrary,
} from "../trees.ts";

async function write(root: FileTree): Promise<MemoryDevice> {
  const plan = planRofs(root);
  const device = new MemoryDevice(plan.size);
  await writeRofs(plan, device);
  return device;
}

const onDevice = (entry: FileEntry) => Buffer.concat([...readDeviceFile(entry)]);

async function expectSame(root: FileTree, expected = contentsOf(root, bytesOf)): Promise<MemoryDevice> {
  const device = await write(root);
  expect(contentsOf(openRofs(device).tree, onDevice)).toEqual(expected);
  return device;
}

function folder(entries: Iterable<readonly [string, SketchFolder[string]]>): SketchFolder {
  return Object.fromEntries(entries);
}

function streamOf(bytes: Uint8Array): ContentStream {
  return {
    name: "stream",
    async *open() {
      for (let offset = 0; offset < bytes.length; offset += 65536) yield bytes.subarray(offset, offset + 65536);
    },
  };
}

describe("what is written is what is read", () => {
  test("whatever the tree", async () => {
    await fc.assert(
      fc.asyncProperty(treeArbitrary, async (root) => void (await expectSame(root))),
      { numRuns: 150 },
    );
  });

  test("D1: names of every length up to 255 bytes, of characters of every length", async () => {
    for (const character of ["a", "é", "日", "😀"]) {
      const bytes = Buffer.byteLength(character);
      const lengths = [...Array(Math.floor(255 / bytes))].map((_, index) => index + 1);
      await expectSame(tree(folder(lengths.map((length) => [character.repeat(length), `${length}`]))));
    }
  });

  test("D2: links say what they said, wherever they lead", async () => {
    const targets = ["/usr/lib/x", "../../../..", "loop", "/", "//a//b/", "ünï", "x".repeat(4095), "."];
    const links = folder(targets.map((target, index) => [`l${index}`, [target] as const]));
    const image = openRofs(await expectSame(tree({ a: { b: links }, loop: ["loop"] })));
    expect(targets.map((_, index) => image.readLink(`/a/b/l${index}`))).toEqual(targets);
  });

  test("files of all sizes around the borders of blocks, in any order", async () => {
    const sizes = [...BORDER_SIZES, ...BORDER_SIZES.toReversed(), 1048575, 1048576, 1048577, 3_000_000, 0, 1];
    await expectSame(tree(folder(sizes.map((size, index) => [`f${index}`, patterned(size, index)]))));
  });

  test("200 folders in each other", async () => {
    const root = createTree();
    const path = [...Array(200)].map((_, index) => `d${index}`).join("/");
    insert(root, `${path}/leaf`, file("deep"));
    await expectSame(root);
  });

  test("30,000 entries in one folder", async () => {
    const root = tree({ many: folder([...Array(30_000)].map((_, index) => [`entry-${index}`, `${index}`])) });
    await expectSame(root);
  });

  test("files that lie on the host, in streams and in memory", async () => {
    const base = mkdtempSync(join(tmpdir(), "capstan-rofs-"));
    try {
      const data = patterned(300_000, 4);
      const stream = streamOf(data);
      const root = createTree();
      const expected = new Map<string, string>();
      const add = (name: string, content: FileEntry["content"], bytes: Uint8Array) => {
        insert(root, `/${name}`, { ...file(bytes), content });
        expected.set(`/${name}`, `file ${Buffer.from(bytes).toString("latin1")}`);
      };
      for (const [index, size] of [70_000, 0, 513, 100_000].entries()) {
        const path = join(base, `${index}`);
        writeFileSync(path, patterned(size, index));
        add(`host${index}`, { kind: "host", path }, patterned(size, index));
        const offset = 150_000 - index * 40_000;
        add(`extent${index}`, { kind: "extent", stream, offset }, data.subarray(offset, offset + size));
        add(`bytes${index}`, { kind: "bytes", bytes: patterned(size, 9) }, patterned(size, 9));
      }
      await expectSame(root, new Map([...expected].sort()));
    } finally {
      rmSync(base, { recursive: true });
    }
  });

  test("an image that is read is a tree that can be written again, to the same bytes", async () => {
    await fc.assert(
      fc.asyncProperty(treeArbitrary, async (root) => {
        const first = await write(root);
        const second = await write(openRofs(first).tree);
        expect(Buffer.compare(first.bytes, second.bytes)).toBe(0);
      }),
      { numRuns: 30 },
    );
  });
});

describe("the plan", () => {
  test("does not hang on the order in which entries were put in", () => {
    const names = ["b", "a", "ü", "c", "Z"];
    const one = planRofs(tree(folder(names.map((name) => [name, { x: name }]))));
    const other = planRofs(tree(folder(names.toReversed().map((name) => [name, { x: name }]))));
    expect(other.structure).toEqual(one.structure);
    expect(other.superblock).toEqual(one.superblock);
  });

  test("gives every content blocks of its own, one after the other, and empty files none", () => {
    fc.assert(
      fc.property(treeArbitrary, (root) => {
        const plan = planRofs(root);
        let next = 1;
        for (const [index, { size }] of plan.files.entries()) {
          expect(plan.firstBlocks[index]).toBe(size === 0 ? 1 : next);
          next += Math.ceil(size / 512);
        }
        expect(plan.structureOffset).toBe(next * 512);
        expect(plan.size).toBe(plan.structureOffset + plan.structure.length);
        expect(plan.size % 512).toBe(0);
      }),
      { numRuns: 50 },
    );
  });

  test("stores one host path, and one extent, once", async () => {
    const data = patterned(5000, 1);
    const stream = streamOf(data);
    const extent = (offset: number, size: number): FileEntry => ({
      ...file(""),
      size,
      content: { kind: "extent", stream, offset },
    });
    const root = createTree();
    insert(root, "/a", extent(100, 3000));
    insert(root, "/b", extent(100, 3000));
    insert(root, "/c", extent(100, 2000));
    insert(root, "/d", extent(600, 3000));
    const hosted: FileEntry = { ...file(""), size: 10, content: { kind: "host", path: "/some/file" } };
    insert(root, "/e", hosted);
    insert(root, "/f", { ...hosted, content: { kind: "host", path: "/some/file" } });
    expect(planRofs(root).files).toHaveLength(4);
    root.children.delete("e");
    root.children.delete("f");
    const image = openRofs(await write(root));
    for (const [path, start, size] of [
      ["/a", 100, 3000],
      ["/b", 100, 3000],
      ["/c", 100, 2000],
      ["/d", 600, 3000],
    ] as const) {
      expect(Buffer.concat([...image.readFile(path)]).equals(data.subarray(start, start + size))).toBe(true);
    }
  });

  test.each<[string, FileTree]>([
    ["bad-name", { ...tree({}), children: new Map([["a/b", file("")]]) }],
    ["bad-name", { ...tree({}), children: new Map([["n".repeat(256), file("")]]) }],
    ["bad-link", { ...tree({}), children: new Map([["l", link("")]]) }],
    ["bad-link", { ...tree({}), children: new Map([["l", link("x".repeat(4096))]]) }],
    ["bad-link", { ...tree({}), children: new Map([["l", link("a\0b")]]) }],
  ])("refuses what a guest could not find: %s", (code, root) => {
    expect(() => planRofs(root)).toThrow(expect.objectContaining({ code }));
  });

  test("refuses paths that are too long, and a folder that holds itself", () => {
    const root = tree({ a: {} });
    root.children.set("loop", root);
    expect(() => planRofs(root)).toThrow(expect.objectContaining({ code: "path-too-long" }));
  });
});

describe("writing", () => {
  test("D3: is few large writes from start to end, and no flush", async () => {
    const many = tree(
      folder([...Array(6000)].map((_, index) => [`f${index}`, patterned(1500 + (index % 700), index)])),
    );
    const device = await write(many);
    expect(device.flushes).toBe(0);
    expect(device.writes).toHaveLength(Math.ceil(device.size / 1048576));
    expect(device.writes.slice(0, -1).every(({ length }) => length === 1048576)).toBe(true);
  });

  test("D3: passes large files on in large writes, each byte once", async () => {
    const device = await write(tree({ small: "x", large: patterned(20_000_001, 1), last: patterned(700, 2) }));
    expect(device.flushes).toBe(0);
    expect(device.writes.length).toBeLessThanOrEqual(4);
    let end = 0;
    for (const { offset, length } of device.writes) {
      expect(offset).toBe(end);
      end += length;
    }
    expect(end).toBe(device.size);
  });

  test("covers all that lay there before, padding included, and nothing beyond", async () => {
    await fc.assert(
      fc.asyncProperty(treeArbitrary, async (root) => {
        const plan = planRofs(root);
        const [dirty, clean] = [new MemoryDevice(plan.size + 1000), new MemoryDevice(new Uint8Array(plan.size + 1000))];
        await writeRofs(plan, dirty);
        await writeRofs(plan, clean);
        expect(Buffer.compare(dirty.bytes.subarray(0, plan.size), clean.bytes.subarray(0, plan.size))).toBe(0);
        expect(dirty.bytes.subarray(plan.size).every((byte) => byte === 0xaa)).toBe(true);
      }),
      { numRuns: 30 },
    );
  });

  test("D4: does not go on without a file that cannot be read", async () => {
    const root = createTree();
    insert(root, "/gone", { ...file("abc"), content: { kind: "host", path: "/no/such/file" } });
    await expect(write(root)).rejects.toMatchObject({
      code: "os-enoent",
      message: expect.stringContaining("/no/such/file"),
    });
  });

  test("refuses a device that is too small before it writes", async () => {
    const plan = planRofs(tree({ a: "x" }));
    const device = new MemoryDevice(plan.size - 1);
    await expect(writeRofs(plan, device)).rejects.toThrow(RangeError);
    expect(device.writes).toEqual([]);
  });

  test("reports progress, and can be interrupted", async () => {
    const plan = planRofs(tree({ a: "xyz" }));
    const events: unknown[] = [];
    const reporter = { verbose: false, report: (event: unknown) => void events.push(event) };
    await writeRofs(plan, new MemoryDevice(plan.size), { reporter });
    expect(events.at(-1)).toMatchObject({ kind: "progress", done: 3, total: 3, unit: "bytes" });
    await expect(writeRofs(plan, new MemoryDevice(plan.size), { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: "interrupted",
    });
  });
});
