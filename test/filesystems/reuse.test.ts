import fc from "fast-check";
import { expect, test } from "vitest";
import type { ContentStream, FileEntry, FileTree } from "../../src/filesystems/filetree.ts";
import { emitPlanned, type Reuse } from "../../src/filesystems/reuse.ts";
import { BLOCK_SIZE } from "../../src/filesystems/rofs/layout.ts";
import { planRofs, writeRofs } from "../../src/filesystems/rofs/writer.ts";
import { planZfs, writeZfs } from "../../src/filesystems/zfs/writer.ts";
import { MiB } from "../../src/support/bytes.ts";
import { MemoryDevice } from "../support/memory-device.ts";
import { file, patterned, tree } from "./trees.ts";

/** How often each stream was opened. */
interface Source {
  readonly stream: ContentStream;
  opened: number;
}

function source(bytes: Uint8Array): Source {
  const made: Source = {
    opened: 0,
    stream: {
      name: "some.mpm",
      async *open() {
        made.opened++;
        for (let at = 0; at < bytes.length; at += 777) yield bytes.subarray(at, at + 777);
      },
    },
  };
  return made;
}

function folderOf(files: readonly FileEntry[], names: readonly number[]): FileTree {
  const root = tree({});
  for (const [index, one] of files.entries()) root.children.set(`f${names[index]}`, one);
  return root;
}

async function written(root: FileTree, reuse?: Reuse): Promise<Buffer> {
  const plan = planRofs(root);
  const device = new MemoryDevice(plan.size);
  await writeRofs(plan, device, { reuse });
  return Buffer.from(device.bytes);
}

async function asReuse(root: FileTree, known: (file: FileEntry) => boolean = () => true): Promise<Reuse> {
  const plan = planRofs(root);
  const places = new Map(plan.files.map((one, index) => [one, (plan.firstBlocks[index] ?? 0) * BLOCK_SIZE]));
  const device = new MemoryDevice(plan.size);
  await writeRofs(plan, device);
  return { device, place: (one) => (known(one) ? places.get(one) : undefined) };
}

test("with an older file system the new one is the same, byte for byte", async () => {
  const size = fc.oneof(fc.nat(3), fc.nat(2000), fc.constantFrom(0, 511, 512, 513, 1024, 5000));
  const chosen = fc.array(fc.record({ size, kind: fc.constantFrom("bytes", "first", "second") }), { maxLength: 25 });
  const content = patterned(100_000, 7);
  await fc.assert(
    fc.asyncProperty(chosen, chosen, fc.infiniteStream(fc.boolean()), async (before, added, coins) => {
      const streams = { first: source(content).stream, second: source(content.map((byte) => byte ^ 255)).stream };
      let offset = 0;
      const made = [...before, ...added].map(({ size: length, kind }, index): FileEntry => {
        if (kind === "bytes") return file(patterned(length, index));
        offset += length;
        const stream = kind === "first" ? streams.first : streams.second;
        return { ...file(""), size: length, content: { kind: "extent", stream, offset: offset - length } };
      });
      const coin = () => coins.next().value === true;
      const names = made.map((_, index) => index);
      const old = folderOf(made.slice(0, before.length), names);
      const kept = made.map((one, index) => ({ one, name: names[index] ?? 0 })).filter(() => coin());
      const next = folderOf(
        kept.map(({ one }) => one),
        kept.map(({ name }) => name),
      );
      const reuse = await asReuse(old, coin);
      // Asked twice, it must say the same.
      const answers = new Map<FileEntry, number | undefined>();
      const place = (one: FileEntry) => {
        if (!answers.has(one)) answers.set(one, reuse.place(one));
        return answers.get(one);
      };
      expect((await written(next, { ...reuse, place })).equals(await written(next))).toBe(true);
    }),
    { numRuns: 150 },
  );
});

test("what the older one has is not read anew; an archive of which something is needed is read once", async () => {
  const { first, second } = { first: source(patterned(5000, 1)), second: source(patterned(5000, 2)) };
  const part = ({ stream }: Source, offset: number): FileEntry => {
    return { ...file(""), size: 1000, content: { kind: "extent", stream, offset } };
  };
  const gone: FileEntry = { ...file(""), size: 700, content: { kind: "host", path: "/no/such/file" } };
  const files = [part(first, 0), part(first, 1000), part(second, 0), part(second, 2000)];
  const root = folderOf([...files, gone], [0, 1, 2, 3, 4]);
  const old = folderOf([...files, { ...gone, content: file("x".repeat(700)).content }], [0, 1, 2, 3, 4]);
  const { device, place } = await asReuse(old);
  const placeOfGone = planRofs(old).files.findIndex(({ size }) => size === 700);
  [first.opened, second.opened] = [0, 0];
  const known = (one: FileEntry) => {
    if (one === gone) return (planRofs(old).firstBlocks[placeOfGone] ?? 0) * BLOCK_SIZE;
    return one === files[2] ? undefined : place(one);
  };
  await written(root, { device, place: known });
  expect([first.opened, second.opened]).toEqual([0, 1]);
});

async function zfs(root: FileTree, reuse?: Reuse) {
  const size = 64 * MiB;
  const plan = planZfs(root, { size, root: "osv", timestamp: 1_700_000_000 });
  const device = new MemoryDevice(new Uint8Array(size));
  const { starts } = await writeZfs(plan, device, { reuse });
  return { device, places: new Map(plan.files.map((one, index) => [one, starts[index] ?? -1])) };
}

test("a ZFS with an older one is the same, whatever it has of the files and wherever the borders of metaslabs are", async () => {
  const size = fc.oneof(fc.nat(3000), fc.constantFrom(0, 512, 100_000, 131_072, 131_073, 400_000, 700_000));
  const made = fc.record({ size, isOld: fc.boolean(), isKept: fc.boolean(), isZero: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(made, { maxLength: 25 }), async (all) => {
      const files = all.map((one, index) => {
        // Zeros at the start: of several blocks, the first is a hole.
        const bytes = patterned(one.size, index).fill(0, 0, one.isZero ? Math.ceil(one.size / 2) : 0);
        return { ...one, index, entry: file(bytes) };
      });
      const folder = (chosen: typeof files) =>
        folderOf(
          chosen.map(({ entry }) => entry),
          chosen.map(({ index }) => index),
        );
      const old = await zfs(folder(files.filter(({ isOld }) => isOld)));
      const next = folder(files.filter(({ isOld, isKept }) => !isOld || isKept));
      const place = (one: FileEntry) => {
        const start = old.places.get(one) ?? -1;
        return start < 0 ? undefined : start;
      };
      const [updated, fresh] = [await zfs(next, { device: old.device, place }), await zfs(next)];
      expect(Buffer.compare(updated.device.bytes, fresh.device.bytes)).toBe(0);
      expect(updated.places).toEqual(fresh.places);
    }),
    { numRuns: 20 },
  );
});

test("what something wrote over an older ZFS is in the new one as it is there: holes and packed ends included", async () => {
  const contents = [patterned(393_216, 1), patterned(1000, 2), patterned(261_144, 3), patterned(50_000, 4)];
  const files = contents.map((bytes) => file(bytes));
  const names = [0, 1, 2, 3];
  const old = await zfs(folderOf(files, names));
  const zeros = [
    { at: 0, from: 0, to: 131_072 },
    { at: 1, from: 0, to: 1000 },
    { at: 2, from: 131_100, to: 261_144 },
  ];
  for (const { at, from, to } of zeros) {
    contents[at]?.fill(0, from, to);
    old.device.write(new Uint8Array(to - from), (old.places.get(files[at] ?? file("")) ?? 0) + from);
  }
  const updated = await zfs(folderOf(files, names), { device: old.device, place: (one) => old.places.get(one) });
  const fresh = await zfs(
    folderOf(
      contents.map((bytes) => file(bytes)),
      names,
    ),
  );
  expect(Buffer.compare(updated.device.bytes, fresh.device.bytes)).toBe(0);
});

test("a ZFS with an older one is the same, too: small files, large ones, with holes and without", async () => {
  const zeros = (at: number, length: number) => patterned(400_000, 9).fill(0, at, at + length);
  const contents = [
    patterned(262_144, 5),
    patterned(10, 1),
    patterned(512, 2),
    patterned(100_000, 3),
    patterned(131_072, 4),
    zeros(131_072, 131_072),
    zeros(0, 131_072),
    zeros(262_144, 137_856),
    zeros(270_000, 130_000),
    new Uint8Array(5000),
    patterned(131_073, 6),
  ].map((bytes) => file(bytes));
  const names = contents.map((_, index) => index);
  const old = await zfs(folderOf(contents, names));
  const found = contents.map((one) => (old.places.get(one) ?? -1) >= 0);
  // Not those of which a block is a hole, or of which the last one is compressed.
  expect(found).toEqual([true, true, true, true, true, false, false, false, false, false, false]);
  for (const one of contents) {
    const place = old.places.get(one) ?? -1;
    if (place < 0) continue;
    const bytes = new Uint8Array(one.size);
    old.device.read(bytes, place);
    expect(Buffer.from(bytes).equals(one.content.kind === "bytes" ? one.content.bytes : Buffer.of())).toBe(true);
  }
  let asked = 0;
  const place = (one: FileEntry) => {
    asked++;
    const start = old.places.get(one) ?? -1;
    return start < 0 ? undefined : start;
  };
  const next = folderOf([file("new"), ...contents.slice(2), file(patterned(200_000, 77))], [0, ...names.slice(2), 50]);
  const [updated, fresh] = [await zfs(next, { device: old.device, place }), await zfs(next)];
  expect(asked).toBeGreaterThan(8);
  expect(Buffer.from(updated.device.bytes).equals(fresh.device.bytes)).toBe(true);
});

test("what lies there one behind the other comes in one run, and all in the given order", async () => {
  const files = [file("one"), file(""), file("two"), file("three"), file("new"), file("four"), file("beyond")];
  const device = new MemoryDevice(100);
  device.write(Buffer.from("ONE.TWO.....THREE...FOUR"), 10);
  const places = new Map([10, undefined, 14, 22, undefined, 30, 97].map((place, index) => [files[index], place]));
  const seen: string[] = [];
  await emitPlanned(files, {
    reuse: { device, place: (one) => places.get(one) },
    run: {
      spanOf: (index) => Math.ceil((files[index]?.size ?? 0) / 4) * 4,
      *copy({ place, indexes, length }) {
        const bytes = Buffer.alloc(length);
        device.read(bytes, place);
        seen.push(`${indexes.join()} ${bytes.toString().replaceAll("\0", ".")}`);
        yield length;
      },
    },
    write: (index, chunk, offset) => void seen.push(`${index}@${offset} ${Buffer.from(chunk)}`),
  });
  expect(seen).toEqual(["0,2 ONE.TWO.", "3 THREE...", "4@0 new", "5 FOUR", "6@0 beyond"]);
});

test("a signal ends it", async () => {
  const root = folderOf([file("abc")], [0]);
  const reuse = await asReuse(root);
  const plan = planRofs(root);
  const writing = writeRofs(plan, new MemoryDevice(plan.size), { reuse, signal: AbortSignal.abort() });
  await expect(writing).rejects.toMatchObject({ code: "interrupted" });
});
