import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { FileEntry, FileTree, TreeEntry } from "../../../src/filesystems/filetree.ts";
import { readDeviceFile } from "../../../src/filesystems/tree-image.ts";
import { walk } from "../../../src/filesystems/tree-walk.ts";
import { checkPool } from "../../../src/filesystems/zfs/check.ts";
import { DslDatasetField } from "../../../src/filesystems/zfs/layout.ts";
import { openPool } from "../../../src/filesystems/zfs/read/pool.ts";
import { isZfs, openZfs } from "../../../src/filesystems/zfs/reader.ts";
import { planZfs, writeZfs, type ZfsRoot } from "../../../src/filesystems/zfs/writer.ts";
import { CapstanError } from "../../../src/support/errors.ts";
import { MemoryDevice } from "../../support/memory-device.ts";
import { bytesOf, contentsOf, entry, patterned, tree, treeArbitrary } from "../trees.ts";
import { forge } from "./forge.ts";

const MiB = 1024 * 1024;

async function write(root: FileTree, options: { size?: number; root?: ZfsRoot } = {}): Promise<MemoryDevice> {
  const plan = planZfs(root, { size: options.size ?? 64 * MiB, root: options.root ?? "osv", timestamp: 1_700_000_000 });
  const device = new MemoryDevice(new Uint8Array(plan.size));
  await writeZfs(plan, device);
  return device;
}

const onDevice = (file: FileEntry) => Buffer.concat([...readDeviceFile(file)]);

/** A file as it is in the tree, with other attributes. */
function withAttributes(sketch: Parameters<typeof entry>[0], attributes: Partial<FileEntry>): TreeEntry {
  return { ...entry(sketch), ...attributes } as TreeEntry;
}

const SAMPLE = tree({
  bin: { sh: patterned(150_000, 1), link: ["../etc/passwd"], long: ["/".repeat(1000)] },
  etc: { passwd: "root\n", gone: ["/nowhere"], here: ["."] },
  empty: {},
  ü: "",
});
SAMPLE.children.set("owned", withAttributes("x", { mode: 0o4751, uid: 1000, gid: 100, mtime: 1_600_000_000 }));
SAMPLE.children.set("first", withAttributes("two names", { hardLink: "1:2" }));
SAMPLE.children.set("second", withAttributes("two names", { hardLink: "1:2" }));
SAMPLE.children.set("sparse", withAttributes(Buffer.concat([Buffer.alloc(3 * MiB), Buffer.from("end")]), {}));

const sample = await write(SAMPLE);

describe("a pool", () => {
  const image = openZfs(sample);

  test("tells what it is", () => {
    expect(image.label).toMatchObject({ name: "osv", version: 5000, ashift: 9, asize: 62390272 });
    expect(image).toMatchObject({ dataset: "osv", datasets: ["osv"], omitted: [], size: 62390272 });
  });

  test("has every file with its content", () => {
    expect(contentsOf(image.tree, onDevice)).toEqual(contentsOf(SAMPLE, bytesOf));
  });

  test("keeps modes, owners, times, and that two names are of one file", () => {
    expect(image.lookup("/owned")).toMatchObject({ mode: 0o4751, uid: 1000, gid: 100, mtime: 1_600_000_000 });
    expect(image.lookup("/etc")).toMatchObject({ type: "directory", mode: 0o755, uid: 0 });
    const [first, second] = [image.lookup("/first"), image.lookup("/second")] as FileEntry[];
    expect(first?.hardLink).toBeDefined();
    expect(first?.hardLink).toBe(second?.hardLink);
    expect((image.lookup("/owned") as FileEntry).hardLink).toBeUndefined();
  });

  test("reads parts of files, and nothing outside them", () => {
    const { content, size } = image.lookup("/bin/sh") as FileEntry;
    if (content.kind !== "device") throw new TypeError("not on a device");
    const part = Buffer.alloc(1000);
    content.device.read(part, 130_600);
    expect(part.equals(patterned(size, 1).subarray(130_600, 131_600))).toBe(true);
    expect(() => content.device.read(part, size - 999)).toThrow(RangeError);
    expect(() => content.device.read(part, -1)).toThrow(RangeError);
  });

  test("nothing is wrong with it", () => {
    expect(checkPool(sample, { fresh: true })).toMatchObject({ problems: [], problemCount: 0 });
  });
});

test.each<[ZfsRoot, string, readonly string[], readonly string[]]>([
  ["osv", "osv", ["osv"], ["osv"]],
  ["osv/zfs", "osv/zfs", ["osv", "osv/zfs"], ["osv/zfs"]],
  ["both", "osv", ["osv", "osv/zfs"], ["osv", "osv/zfs"]],
])("root %s: the file system with content is shown", async (root, shown, all, filled) => {
  const device = await write(tree({ a: "b" }), { root });
  const image = openZfs(device);
  expect([image.dataset, image.datasets, image.filled]).toEqual([shown, all, filled]);
  expect([...image.walk()].map(({ path }) => path)).toEqual(["/a"]);
  expect(checkPool(device, { fresh: true }).problems).toEqual([]);
  expect([...openZfs(device, { dataset: "osv" }).walk()]).toHaveLength(root === "osv/zfs" ? 0 : 1);
  expect(() => openZfs(device, { dataset: "other" })).toThrow(expect.objectContaining({ code: "bad-zfs" }));
});

test("of two with content, the one that was written to last is shown", async () => {
  const device = await write(tree({ a: "b" }), { root: "both" });
  for (const { name, object } of openPool(device).datasets.toReversed()) {
    const at = 192 + DslDatasetField.blockPointer + 80;
    const births = openPool(device).datasets.map(({ pointer }) => pointer?.birth ?? 0);
    const later = (dnode: Buffer) => void dnode.writeUInt32LE(Math.max(...births) + 1, at);
    forge(device, { in: "mos", object, dnode: later });
    expect(openZfs(device).dataset).toBe(name);
  }
});

test("reading gives what was written, and nothing contradicts itself", async () => {
  await fc.assert(
    fc.asyncProperty(treeArbitrary, async (root) => {
      const device = await write(root);
      expect(contentsOf(openZfs(device).tree, onDevice)).toEqual(contentsOf(root, bytesOf));
      expect(checkPool(device, { fresh: true }).problems).toEqual([]);
    }),
    { numRuns: 10 },
  );
});

test("folders and files that take several levels of blocks", async () => {
  const many = Object.fromEntries(Array.from({ length: 5000 }, (_, index) => [`name-${index}`, String(index)]));
  const big = patterned(17 * MiB + 1, 3);
  const device = await write(tree({ many, big }), { size: 64 * MiB });
  const image = openZfs(device);
  expect(contentsOf(tree({ many }), bytesOf)).toEqual(
    new Map([...contentsOf(image.tree, (file) => (file.size > 5 ? new Uint8Array(0) : onDevice(file)))].slice(1)),
  );
  expect(onDevice(image.lookup("/big") as FileEntry).equals(big)).toBe(true);
  expect(checkPool(device, { fresh: true }).problems).toEqual([]);
});

describe("damage", () => {
  const copy = () => new MemoryDevice(Uint8Array.from(sample.bytes));
  const LABELS = [0, 0x40000, 64 * MiB - 0x80000, 64 * MiB - 0x40000];
  const isBad = expect.objectContaining({ code: "bad-zfs" });

  test.each([0, 1, 2, 3])("label %d alone is enough", (kept) => {
    const device = copy();
    for (const [index, place] of LABELS.entries()) if (index !== kept) device.bytes.fill(0xee, place, place + 0x40000);
    expect(isZfs(device)).toBe(true);
    expect(openZfs(device).lookup("/etc/passwd")).toBeDefined();
    expect(checkPool(device).problems).toHaveLength(3);
  });

  test("without a label there is no pool", () => {
    const device = copy();
    for (const place of LABELS) device.bytes.fill(0, place, place + 0x20000);
    expect(isZfs(device)).toBe(false);
    expect(() => openZfs(device)).toThrow(isBad);
    expect(checkPool(device).problems).toEqual(["The ZFS pool is damaged: none of its four labels is sound"]);
  });

  test("without an uberblock neither", () => {
    const device = copy();
    for (const place of LABELS) device.bytes.fill(0, place + 0x20000, place + 0x40000);
    expect(isZfs(device)).toBe(true);
    expect(() => openZfs(device)).toThrow(isBad);
  });

  test.each([0, 1, 65536, 64 * MiB - 1])("a device of %d bytes is none", (size) => {
    expect(isZfs(new MemoryDevice(size))).toBe(false);
    expect(() => openZfs(new MemoryDevice(size))).toThrow(isBad);
  });

  test("a single wrong bit anywhere is found", () => {
    const { allocated } = checkPool(sample);
    const places = fc.tuple(fc.nat(allocated - 1), fc.nat(7));
    const sound = contentsOf(SAMPLE, bytesOf);
    fc.assert(
      fc.property(places, ([offset, bit]) => {
        const at = 4 * MiB + offset;
        const before = sample.bytes[at] ?? 0;
        sample.bytes[at] = before ^ (1 << bit);
        try {
          expect(checkPool(sample).problemCount).toBeGreaterThan(0);
          let found: Map<string, string> | undefined;
          try {
            found = contentsOf(openZfs(sample).tree, onDevice);
          } catch (error) {
            expect(error).toBeInstanceOf(CapstanError);
          }
          // What is read all the same, such as a pool with a wrong space map, is what was written.
          expect([undefined, sound]).toContainEqual(found);
        } finally {
          sample.bytes[at] = before;
        }
      }),
      { numRuns: 40 },
    );
  });

  test("a content that is wrong is no content", () => {
    const device = copy();
    const at = Buffer.from(device.bytes.buffer).indexOf(patterned(150_000, 1).subarray(0, 512));
    device.bytes[at] = (device.bytes[at] ?? 0) ^ 1;
    const image = openZfs(device);
    expect(() => [...image.readFile("/bin/sh")]).toThrow(isBad);
    expect([...walk(image.tree)]).toHaveLength([...walk(SAMPLE)].length);
    expect(checkPool(device).problems).toEqual([expect.stringContaining("wrong checksum")]);
  });
});
