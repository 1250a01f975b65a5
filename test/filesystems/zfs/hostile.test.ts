import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readDeviceFile } from "../../../src/filesystems/tree-image.ts";
import { checkPool } from "../../../src/filesystems/zfs/check.ts";
import { labelOffsets, uberblockOffset } from "../../../src/filesystems/zfs/geometry.ts";
import { openPool } from "../../../src/filesystems/zfs/read/pool.ts";
import { readZap } from "../../../src/filesystems/zfs/read/zap.ts";
import { openFileSystem, openZfs } from "../../../src/filesystems/zfs/reader.ts";
import { planZfs, writeZfs } from "../../../src/filesystems/zfs/writer.ts";
import { CapstanError } from "../../../src/support/errors.ts";
import { MemoryDevice } from "../../support/memory-device.ts";
import { patterned, tree } from "../trees.ts";
import { type Forgery, forge } from "./forge.ts";

const MiB = 1024 * 1024;
const NAMES = Object.fromEntries(Array.from({ length: 60 }, (_, index) => [`${"n".repeat(60)}-${index}`, "x"]));
const SAMPLE = tree({ a: { f: patterned(300_000, 1) }, b: "text", c: ["target"], d: ["t".repeat(900)], fat: NAMES });
const plan = planZfs(SAMPLE, { size: 64 * MiB, root: "osv", timestamp: 1_700_000_000 });
const sample = new MemoryDevice(new Uint8Array(plan.size));
await writeZfs(plan, sample);

const pool = openPool(sample);
const fileSystem = openFileSystem(pool, pool.datasets[0] ?? { name: "", pointer: undefined });
const ROOT = fileSystem?.root ?? 0;
const inRoot = numbersIn(ROOT);
/** Object numbers of the sample. */
const OBJECTS = {
  ...{ root: ROOT, a: number("a"), b: number("b"), c: number("c"), d: number("d"), fat: number("fat") },
  file: numbersIn(number("a")).get("f") ?? 0,
};

function number(name: string): number {
  return inRoot.get(name) ?? 0;
}

function numbersIn(directory: number): Map<string, number> {
  const object = fileSystem?.objset.object(directory);
  if (object === undefined) throw new Error("no file system");
  return new Map([...readZap(object)].map(({ name, value }) => [name.toString(), value.readUIntBE(2, 6)]));
}

const SLOTS = labelOffsets(plan.size).map((label) => uberblockOffset(label, pool.uberblock.txg));
const soundSlots = SLOTS.map((place) => sample.bytes.slice(place, place + 1024));

/** The sample with a forgery, until the next one: all that it changes hangs on the uberblocks. */
function forged(forgery: Forgery): MemoryDevice {
  for (const [index, place] of SLOTS.entries()) sample.bytes.set(soundSlots[index] ?? [], place);
  forge(sample, forgery);
  return sample;
}

/** A file's attributes start at 192: a header of 8 bytes, MODE, SIZE, GEN; of a link, the header has 16 bytes. */
function dnode(object: number, change: (dnode: Buffer) => void): Forgery {
  return { in: "files", object, dnode: change };
}

function rootBlock(change: (block: Buffer) => void): Forgery {
  return { in: "files", object: OBJECTS.root, block: [0, change] };
}

/** Reads all but the contents of files that claim to be huge. */
function readAll(device: MemoryDevice): readonly string[] {
  const image = openZfs(device);
  for (const { entry } of image.walk()) {
    if (entry.type === "file" && entry.size < MiB) for (const _ of readDeviceFile(entry));
  }
  return image.omitted;
}

test("a forgery that changes nothing is no damage", () => {
  const device = forged(dnode(OBJECTS.a, () => {}));
  expect(readAll(device)).toEqual([]);
});

describe("what checksums do not tell", () => {
  test.each<[string, Forgery, string]>([
    ["no levels", dnode(OBJECTS.b, (bytes) => bytes.fill(0, 2, 3)), "0 levels"],
    ["too many levels", dnode(OBJECTS.b, (bytes) => bytes.fill(99, 2, 3)), "99 levels"],
    ["vast indirect blocks", dnode(OBJECTS.b, (bytes) => bytes.fill(60, 1, 2)), "2^60"],
    ["no block pointers", dnode(OBJECTS.b, (bytes) => bytes.fill(0, 3, 4)), "0 block pointers"],
    ["a bonus beyond the end", dnode(OBJECTS.b, (bytes) => bytes.writeUInt16LE(321, 10)), "bonus of 321"],
    ["blocks without bytes", dnode(OBJECTS.b, (bytes) => bytes.writeUInt16LE(0, 8)), "blocks without bytes"],
    ["more blocks than any disk", dnode(OBJECTS.b, (bytes) => bytes.fill(0x7f, 16, 22)), "larger than any disk"],
    ["a level that is not its own", dnode(OBJECTS.file, (bytes) => bytes.fill(3, 2, 3)), "another object or level"],
    ["attributes without their mark", dnode(OBJECTS.b, (bytes) => bytes.fill(0, 192, 193)), "attributes"],
    ["a layout that is not listed", dnode(OBJECTS.b, (bytes) => bytes.fill(9, 196, 197)), "layout"],
    ["a header beyond the end", dnode(OBJECTS.b, (bytes) => bytes.fill(0xfc, 197, 198)), "cut off"],
    ["no attributes", dnode(OBJECTS.b, (bytes) => bytes.fill(0, 4, 5)), "no attributes"],
    ["a folder that is a file", dnode(OBJECTS.a, (bytes) => bytes.fill(19, 0, 1)), "no directory"],
    ["a file that is a folder", dnode(OBJECTS.b, (bytes) => bytes.writeUInt16LE(0o040755, 200)), "no directory"],
    ["an empty link", dnode(OBJECTS.c, (bytes) => bytes.writeUInt16LE(0, 200)), "bad link"],
    [
      "a folder in itself",
      { in: "files", object: OBJECTS.a, block: [0, (block) => block.writeUInt16LE(OBJECTS.a, 64)] },
      "in two places",
    ],
    [
      "a circle of folders",
      { in: "files", object: OBJECTS.a, block: [0, (block) => block.writeUInt16LE(OBJECTS.root, 64)] },
      "in two places",
    ],
    [
      "an entry without an object",
      { in: "files", object: OBJECTS.a, block: [0, (block) => block.writeUInt16LE(60000, 64)] },
      "missing",
    ],
    ["two files of one name", rootBlock((block) => block.copy(block, 64 + 14, 128 + 14, 192)), "there are two"],
    ["a folder that is no ZAP", rootBlock((block) => block.fill(0, 0, 1)), "no ZAP"],
    [
      "a pointer table that is too large",
      { in: "files", object: OBJECTS.fat, block: [0, (block) => block.fill(60, 32, 33)] },
      "pointer table",
    ],
    [
      "a leaf that is not there",
      { in: "files", object: OBJECTS.fat, block: [0, (block) => block.fill(0x77, 8192)] },
      "leaf",
    ],
    [
      "a chain that runs in a circle",
      {
        in: "files",
        object: OBJECTS.fat,
        block: [
          1,
          (block) => {
            for (let chunk = 0; chunk < 638; chunk++) {
              const at = 1072 + 24 * chunk;
              if (block[at] === 252) block.writeUInt16LE(chunk, at + 2);
            }
          },
        ],
      },
      "damaged",
    ],
    [
      "a count that is wrong",
      { in: "files", object: OBJECTS.fat, block: [0, (block) => block.fill(1, 72, 73)] },
      "entries",
    ],
  ])("%s", (_, forgery, message) => {
    const device = forged(forgery);
    const refused = expect.objectContaining({ code: "bad-zfs", message: expect.stringContaining(message) });
    expect(() => readAll(device)).toThrow(refused);
    expect(() => readAll(device)).toThrow(CapstanError);
    expect(checkPool(device).problemCount).toBeGreaterThan(0);
  });

  test("data sets in a circle", () => {
    const children = pool.mos.object(pool.directory.get("root_dataset") ?? 0).bonus.readUInt32LE(32);
    const circle = { in: "mos", object: children, block: [0, rename] } as const;
    expect(() => openPool(forged(circle))).toThrow(/circle/);
  });

  /** `$MOS` becomes `xMOS`, which is the root's own directory. */
  function rename(block: Buffer): void {
    const at = block.indexOf("$MOS");
    block.write("x", at);
    block.writeUInt32LE(pool.directory.get("root_dataset") ?? 0, at - 14);
  }
});

describe("features", () => {
  test("one that is active and unknown is named", () => {
    const features = pool.directory.get("features_for_read") ?? 0;
    const activate = (block: Buffer) => {
      const at = block.indexOf("org.illumos:lz4_compress");
      block.write("org.illumos:abc_compress", at);
      block.writeUInt32LE(1, at - 14);
    };
    const device = forged({ in: "mos", object: features, block: [0, activate] });
    const unknown = { code: "zfs-feature", message: expect.stringContaining("org.illumos:abc_compress") };
    expect(() => openZfs(device)).toThrow(expect.objectContaining(unknown));
  });

  test.each<[string, number, number, string]>([
    ["embedded data", 64 + 48 + 4, 0x80, "embedded_data"],
    ["a big-endian block", 64 + 48 + 7, 0, "big-endian"],
    ["an unknown checksum", 64 + 48 + 5, 12, "checksum 12"],
    ["an unknown compression", 64 + 48 + 4, 16, "zstd"],
    ["a large dnode", 12, 1, "large_dnode"],
    ["another disk", 64 + 4, 1, "more than one disk"],
  ])("%s", (_, at, value, message) => {
    const device = forged(dnode(OBJECTS.b, (bytes) => bytes.fill(value, at, at + 1)));
    const unknown = { code: "zfs-feature", message: expect.stringContaining(message) };
    expect(() => readAll(device)).toThrow(expect.objectContaining(unknown));
    expect(checkPool(device).problems).toContainEqual(expect.stringContaining(message));
  });
});

describe("what a tree cannot hold is left out, with a reason", () => {
  const micro = (name: Buffer) => (block: Buffer) => {
    const at = block.indexOf("f\0", 64);
    block.fill(0, at, at + 50);
    block.set(name, at);
  };
  test.each<[string, Forgery, string]>([
    ["a name with a slash", { in: "files", object: OBJECTS.a, block: [0, micro(Buffer.from("../x"))] }, "slash"],
    ["the parent", { in: "files", object: OBJECTS.a, block: [0, micro(Buffer.from(".."))] }, "not a name"],
    [
      "a file of a PiB",
      dnode(OBJECTS.file, (bytes) => bytes.writeBigUInt64LE(2n ** 50n, 208)),
      "far more than its disk",
    ],
    ["a pipe", dnode(OBJECTS.file, (bytes) => bytes.writeUInt16LE(0o010644, 200)), "pipe"],
  ])("%s", (_, forgery, reason) => {
    expect(readAll(forged(forgery))).toEqual([expect.stringContaining(reason)]);
  });
});

test("whatever the bytes of structures are: a tree or a CapstanError, in time", () => {
  const target = fc.constantFrom<readonly [Forgery["in"], number]>(
    ...Object.values(OBJECTS).map((object) => ["files", object] as const),
    ...[1, 2, 3, 5, 6].map((object) => ["files", object] as const),
    ...pool.datasets.flatMap(({ object, directoryObject }) =>
      [object, directoryObject].map((at) => ["mos", at] as const),
    ),
    ["mos", 1],
    ["mos", pool.label.metaslabArray],
  );
  const change = fc.record({ at: fc.nat(511), value: fc.nat(255) });
  const changes = fc.array(change, { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(target, changes, fc.boolean(), ([where, object], edits, inBlock) => {
      const edit = (bytes: Buffer) => {
        for (const { at, value } of edits) bytes[at] = value;
      };
      let device: MemoryDevice;
      try {
        device = forged({ in: where, object, ...(inBlock ? { block: [0, edit] as const } : { dnode: edit }) });
      } catch {
        return; // an object without blocks
      }
      try {
        readAll(device);
      } catch (error) {
        if (!(error instanceof CapstanError)) throw error;
      }
      checkPool(device);
    }),
    { numRuns: 100 },
  );
});
