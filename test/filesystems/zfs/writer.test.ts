import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ContentStream, FileEntry, FileTree, TreeEntry } from "../../../src/filesystems/filetree.ts";
import { treeFromHost } from "../../../src/filesystems/host-tree.ts";
import { createTree, insert } from "../../../src/filesystems/tree-builder.ts";
import { readDeviceFile } from "../../../src/filesystems/tree-image.ts";
import { walk } from "../../../src/filesystems/tree-walk.ts";
import { checkPool } from "../../../src/filesystems/zfs/check.ts";
import { planZfs, writeZfs } from "../../../src/filesystems/zfs/writer.ts";
import { KiB, MiB } from "../../../src/support/bytes.ts";
import { describeUnless, lacksProgram } from "../../support/machine.ts";
import type { MemoryDevice } from "../../support/memory-device.ts";
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
import { judge, poolOf, SOUND, soundPool } from "./pools.ts";

const onDevice = (entry: FileEntry) => Buffer.concat([...readDeviceFile(entry)]);
const ROOTS = ["osv", "osv/zfs", "both"] as const;
/** How many generated trees zdb judges: a few each time, hundreds when `CAPSTAN_TEST_TREES` says so. */
const JUDGED_TREES = Number(process.env.CAPSTAN_TEST_TREES ?? 4);

async function expectSame(root: FileTree, expected = contentsOf(root, bytesOf)): Promise<MemoryDevice> {
  const device = await poolOf(root);
  expect(contentsOf(soundPool(device).tree, onDevice)).toEqual(expected);
  return device;
}

function folder(entries: Iterable<readonly [string, SketchFolder[string]]>): SketchFolder {
  return Object.fromEntries(entries);
}

function digest(device: MemoryDevice): string {
  return createHash("sha256").update(device.bytes).digest("hex");
}

describe("what is written is what is read, and its check finds nothing", () => {
  test("whatever the tree", async () => {
    await fc.assert(
      fc.asyncProperty(treeArbitrary, async (root) => void (await expectSame(root))),
      { numRuns: 15 },
    );
  });

  test.each(ROOTS)("with the data set %s as root, which has the files", async (root) => {
    const sketch = { etc: { fstab: "none" }, link: ["etc/fstab"] as const, big: patterned(300_000, 1) };
    const device = await poolOf(tree(sketch), { root });
    for (const dataset of root === "both" ? ["osv", "osv/zfs"] : [root]) {
      expect(contentsOf(soundPool(device, dataset).tree, onDevice)).toEqual(contentsOf(tree(sketch), bytesOf));
    }
    expect(soundPool(device).datasets).toEqual(root === "osv" ? ["osv"] : ["osv", "osv/zfs"]);
    if (root === "osv/zfs") expect([...walk(soundPool(device, "osv").tree)]).toEqual([]);
  });

  test("files of all sizes around the borders of blocks, and of levels of indirect blocks", async () => {
    const blocks = [131071, 131072, 131073, 262144, 133_000, 128 * 131072, 128 * 131072 + 1];
    const sizes = [...BORDER_SIZES, ...BORDER_SIZES.toReversed(), ...blocks];
    await expectSame(tree(folder(sizes.map((size, index) => [`f${index}`, patterned(size, index)]))));
  });

  test("links of all lengths, in the dnode and in a block of their own", async () => {
    const lengths = [1, 2, 135, 136, 137, 144, 145, 1001, 4095];
    await expectSame(tree(folder(lengths.map((length) => [`l${length}`, ["t".repeat(length)] as const]))));
  });

  test.each([
    ["no entry", 0, 1],
    ["the most of a micro ZAP", 2047, 10],
    ["one more", 2048, 10],
    ["enough for a table of pointers outside of the header", 16_000, 240],
  ])("directories with %s", async (_, count, length) => {
    const names = Array.from({ length: count }, (_, index) => [`${index}`.padEnd(length, "-"), ""] as const);
    await expectSame(tree({ many: folder(names), after: "x" }));
  });

  test("names of 49 and 50 bytes, the border of a micro ZAP", async () => {
    for (const length of [49, 50, 255]) await expectSame(tree({ ["n".repeat(length)]: "x", other: "y" }));
  });

  test("times before 1970", async () => {
    const times = [-1, -631_152_000, -(2 ** 33)];
    const root = { ...tree({}), children: new Map(times.map((mtime) => [`t${mtime}`, { ...file("a"), mtime }])) };
    const found = soundPool(await poolOf(root)).tree;
    expect([...found.children.values()].map(({ mtime }) => mtime).sort()).toEqual([...times].sort());
  });

  test("modes, times and owners", async () => {
    const of = (entry: TreeEntry, index: number): TreeEntry => ({
      ...entry,
      mode: [0o4711, 0o600, 0o1777, 0o777][index] ?? 0,
      mtime: [0, 86_400, 1_700_000_000, 2 ** 33][index] ?? 0,
      ...{ uid: index * 1000, gid: index * 70_000 },
    });
    const entries = [file("a"), file(""), tree({ x: "y" }), link("a")].map(of);
    const root = { ...tree({}), children: new Map(entries.map((entry, index) => [`e${index}`, entry])) };
    const found = soundPool(await poolOf(root)).tree;
    for (const [name, { mode, mtime, uid, gid }] of root.children) {
      expect(found.children.get(name)).toMatchObject({ mode, mtime, uid, gid });
    }
  });

  test("contents from the host, from streams in any order, and from memory", async () => {
    const base = mkdtempSync(join(tmpdir(), "capstan-zfs-"));
    try {
      const data = patterned(600_000, 4);
      const stream: ContentStream = {
        name: "stream",
        async *open() {
          for (let offset = 0; offset < data.length; offset += 65536) yield data.subarray(offset, offset + 65536);
        },
      };
      const root = createTree();
      const expected = new Map<string, string>();
      const add = (name: string, content: FileEntry["content"], bytes: Uint8Array) => {
        insert(root, `/${name}`, { ...file(bytes), content });
        expected.set(`/${name}`, `file ${Buffer.from(bytes).toString("latin1")}`);
      };
      for (const [index, size] of [270_000, 0, 513, 140_000].entries()) {
        const path = join(base, `${index}`);
        writeFileSync(path, patterned(size, index));
        add(`host${index}`, { kind: "host", path }, patterned(size, index));
        // They overlap: their bytes come in turns.
        const offset = 250_000 - index * 40_000;
        add(`extent${index}`, { kind: "extent", stream, offset }, data.subarray(offset, offset + size));
        add(`bytes${index}`, { kind: "bytes", bytes: patterned(size, 9) }, patterned(size, 9));
      }
      await expectSame(root, new Map([...expected].sort()));
    } finally {
      rmSync(base, { recursive: true });
    }
  });
});

describe("space", () => {
  test("blocks of zeros take none", async () => {
    const sparse = new Uint8Array(40 * MiB);
    sparse.set(Buffer.from("hello"), 20 * MiB);
    const allocated = async (root: FileTree) => {
      const device = await poolOf(root, { size: 128 * MiB });
      return checkPool(device, { fresh: true }).allocated;
    };
    const empty = await allocated(tree({ f: "" }));
    expect(await allocated(tree({ f: new Uint8Array(40 * MiB) }))).toBe(empty);
    expect((await allocated(tree({ f: sparse }))) - empty).toBeLessThan(140 * KiB);
    expect(contentsOf(soundPool(await poolOf(tree({ f: sparse }))).tree, onDevice)).toEqual(
      contentsOf(tree({ f: sparse }), bytesOf),
    );
  });

  test("the zeros behind the end of a file of several blocks take none", async () => {
    const taken = async (size: number) =>
      checkPool(await poolOf(tree({ f: patterned(size, 1) })), { fresh: true }).allocated;
    expect((await taken(131_073)) - (await taken(131_072))).toBeLessThan(4 * KiB);
  });

  test("no block lies across the border of two metaslabs", async () => {
    // Metaslabs of 512 KiB: blocks of odd sizes meet every border differently.
    const sizes = Array.from({ length: 200 }, (_, index) => 512 * (1 + ((index * 37) % 256)));
    await expectSame(tree(folder(sizes.map((size, index) => [`f${index}`, patterned(size, index)]))));
  });

  test("a pool that is large and almost empty is written in a few places", async () => {
    const plan = planZfs(tree({ f: "x" }), { size: 1024 * 1024 * MiB, root: "osv" });
    const writes: number[] = [];
    await writeZfs(plan, { size: plan.size, write: (data) => void writes.push(data.length) });
    expect(writes.reduce((sum, length) => sum + length, 0)).toBeLessThan(2 * MiB);
  });

  test("what does not fit is refused, with a size that is enough", async () => {
    const root = tree({ f: patterned(40 * MiB, 1) });
    const refusal = async (size: number) => {
      const plan = planZfs(root, { size, root: "osv" });
      await writeZfs(plan, { size: plan.size, write: () => undefined });
    };
    await expect(refusal(64 * MiB)).rejects.toMatchObject({
      code: "image-too-small",
      hint: expect.stringMatching(/^Give --size \d+M or more/),
    });
    const { enough } = planZfs(root, { size: 64 * MiB, root: "osv" });
    await expect(refusal(enough)).resolves.toBeUndefined();
  });

  test("less than 64 MiB is refused", () => {
    expect(() => planZfs(tree({}), { size: 64 * MiB - 1, root: "osv" })).toThrow(
      expect.objectContaining({ code: "image-too-small" }),
    );
  });

  test("a size that is said to be enough always is", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat({ max: 3 * MiB }), { maxLength: 40 }), async (sizes) => {
        const root = tree(folder(sizes.map((size, index) => [`f${index}`, new Uint8Array(size).fill(1)])));
        const { enough } = planZfs(root, { size: 64 * MiB, root: "both" });
        const plan = planZfs(root, { size: enough, root: "both" });
        await writeZfs(plan, { size: plan.size, write: () => undefined });
      }),
      { numRuns: 20 },
    );
  });
});

describe("hard links", () => {
  const shared = { ...file(patterned(200_000, 3)), hardLink: "1:2" };

  test("entries of one identity are one file with several names", async () => {
    const root = tree({ a: {}, b: "other" });
    for (const path of ["/x", "/a/y", "/a/z"]) insert(root, path, shared);
    const one = checkPool(await poolOf(tree({ x: shared.size === 0 ? "" : patterned(200_000, 3), a: {}, b: "other" })));
    const device = await poolOf(root);
    // The check counts names and compares them with what the file says.
    expect(contentsOf(soundPool(device).tree, onDevice)).toEqual(contentsOf(root, bytesOf));
    expect(checkPool(device).allocated).toBe(one.allocated);
  });

  test("those that differ in anything are files of their own", () => {
    const root = tree({});
    insert(root, "/x", shared);
    insert(root, "/y", { ...shared, mode: 0o600 });
    expect(planZfs(root, { size: 64 * MiB, root: "osv" }).files).toHaveLength(2);
  });

  test("the host tells of them", async () => {
    const base = mkdtempSync(join(tmpdir(), "capstan-zfs-"));
    try {
      const { linkSync } = await import("node:fs");
      writeFileSync(join(base, "one"), "text");
      linkSync(join(base, "one"), join(base, "two"));
      writeFileSync(join(base, "three"), "text");
      const plan = planZfs(await treeFromHost(base, { origin: "" }), { size: 64 * MiB, root: "osv" });
      expect(plan.counts).toEqual({ files: 2, directories: 0, links: 0 });
      expect(plan.nodes.map((node) => node.links)).toEqual([2, 2, 1]);
    } finally {
      rmSync(base, { recursive: true });
    }
  });
});

describe("the same input gives the same bytes", () => {
  const sketch = { a: { b: "c" }, l: ["a"] as const, f: patterned(150_000, 1) };
  const options = { size: 64 * MiB, root: "both" } as const;

  test("twice", async () => {
    expect(digest(await poolOf(tree(sketch), options))).toBe(digest(await poolOf(tree(sketch), options)));
  });

  test("in whatever order a folder names its entries", async () => {
    const other = { f: sketch.f, l: sketch.l, a: sketch.a };
    expect(digest(await poolOf(tree(other), options))).toBe(digest(await poolOf(tree(sketch), options)));
  });

  test("pools with other content have other identities", async () => {
    const guids = new Set<unknown>();
    for (const text of ["c", "d", "e"]) {
      const pool = soundPool(await poolOf(tree({ ...sketch, a: { b: text } }), options));
      guids.add(pool.label.poolGuid);
    }
    expect(guids.size).toBe(3);
  });

  test("times later than the one that is given become that one", async () => {
    const at = (mtime: number) => ({ ...tree({}), children: new Map([["f", { ...file("x"), mtime }]]) });
    const [one, other] = await Promise.all(
      [5000, 6000].map((time) => poolOf(at(time), { ...options, timestamp: 4000 })),
    );
    expect(one && digest(one)).toBe(other && digest(other));
    expect(one && soundPool(one).tree.children.get("f")?.mtime).toBe(4000);
  });
});

describeUnless(lacksProgram("zdb"))("zdb finds every block, no leak and no wrong checksum", () => {
  test.each(ROOTS)("with %s as root", async (root) => {
    const many = folder(Array.from({ length: 3000 }, (_, index) => [`file-${index}`, `${index}`] as const));
    const links = { short: ["t"] as const, long: ["t".repeat(1001)] as const };
    const sketch = { many, links, empty: "", big: patterned(5_000_000, 1), ünï: { code: "x" } };
    expect(await judge(tree(sketch), { root })).toEqual(SOUND);
  });

  test("in an empty tree", async () => expect(await judge(tree({}))).toEqual(SOUND));

  test(
    "whatever the tree",
    async () => {
      const roots = fc.constantFrom(...ROOTS);
      await fc.assert(
        fc.asyncProperty(treeArbitrary, roots, async (generated, root) => {
          expect(await judge(generated, { root })).toEqual(SOUND);
        }),
        { numRuns: JUDGED_TREES },
      );
    },
    120_000 + JUDGED_TREES * 20_000,
  );
});
