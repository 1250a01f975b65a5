import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { vdevGeometry } from "../../../../src/filesystems/zfs/geometry.ts";
import { Allocator, allocatable, partitionSizeFor } from "../../../../src/filesystems/zfs/write/allocator.ts";
import { attributesLength, encodeAttributes } from "../../../../src/filesystems/zfs/write/attributes.ts";
import { levelsFor } from "../../../../src/filesystems/zfs/write/block-tree.ts";
import { planFatZap } from "../../../../src/filesystems/zfs/write/zap-fat.ts";
import { encodeMicroZap, fitsMicroZap } from "../../../../src/filesystems/zfs/write/zap-micro.ts";
import { compressZle } from "../../../../src/filesystems/zfs/write/zle.ts";
import { zapHasher } from "../../../../src/filesystems/zfs/zap-hash.ts";
import { MiB } from "../../../../src/support/bytes.ts";

const entry = (name: string, value: number | string | readonly number[] = 1) => ({ name: Buffer.from(name), value });

/** Two names with the same 28 bits of hash, found by trying. */
function collidingNames(salt: bigint): [string, string] {
  const hash = zapHasher(salt);
  const seen = new Map<number, string>();
  for (let index = 0; ; index++) {
    // Names that differ in their last digits alone differ in their sums, too.
    const name = createHash("md5").update(`${index}`).digest("hex").slice(0, 12);
    const key = hash(Buffer.from(name));
    const before = seen.get(key);
    if (before !== undefined) return [before, name];
    seen.set(key, name);
  }
}

describe("ZLE", () => {
  test("the known vector", () => {
    const source = Buffer.concat([Buffer.from("abc"), Buffer.alloc(300), Buffer.from("d")]);
    const target = Buffer.alloc(20);
    expect(target.subarray(0, compressZle(source, target)).toString("hex")).toBe("02616263ffab0064");
  });

  test("unpacks to what was packed, or does not fit", () => {
    const runs = fc.array(fc.tuple(fc.nat({ max: 300 }), fc.uint8Array({ maxLength: 200 })), { maxLength: 6 });
    fc.assert(
      fc.property(runs, fc.nat({ max: 2000 }), (parts, room) => {
        const source = Buffer.concat(parts.flatMap(([zeros, bytes]) => [Buffer.alloc(zeros), bytes]));
        const target = Buffer.alloc(room);
        const length = compressZle(source, target);
        if (length === undefined) expect(room).toBeLessThan(source.length + source.length / 64 + 2);
        else expect(unpack(target.subarray(0, length))).toEqual(source);
      }),
    );
  });
});

function unpack(packed: Uint8Array): Buffer {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < packed.length; ) {
    const control = packed[at++] ?? 0;
    const length = control < 64 ? control + 1 : control - 63;
    parts.push(control < 64 ? packed.subarray(at, at + length) : new Uint8Array(length));
    if (control < 64) at += length;
  }
  return Buffer.concat(parts);
}

describe("system attributes", () => {
  const file = { uid: 0, gid: 0, parent: 4, isDirectory: false, mtime: 1, links: 1 };

  test("of a file are those that OSv writes, but for nanoseconds", () => {
    const bytes = Buffer.alloc(attributesLength({}));
    encodeAttributes(bytes, { ...file, mode: 0o100755, size: 3 }, 0);
    expect(bytes.toString("hex")).toBe(
      [
        "5a502f0002041800ed8100000000000003000000000000000400000000000000",
        "00000000000000000000000000000000040000000000000004010000080400",
        "00".repeat(1),
        "01000000000000000000000000000000".repeat(4),
        "01000000000000000300000000000000",
        "00000010bf011e0000004020a900120000000040a9001200",
      ].join(""),
    );
  });

  test.each([[1], [135], [136]])("of a link with a target of %d bytes end with it", (length) => {
    const target = Buffer.alloc(length, "t");
    const bytes = Buffer.alloc(attributesLength({ target }));
    encodeAttributes(bytes, { ...file, mode: 0o120777, size: length, target }, 0);
    expect(bytes.length % 8).toBe(0);
    expect(bytes.length).toBeLessThanOrEqual(320);
    expect(bytes.readUInt16LE(4)).toBe(3 | (2 << 10));
    expect(bytes.readUInt16LE(8)).toBe(length);
    expect(bytes.subarray(16 + 160, 16 + 160 + length).equals(target)).toBe(true);
  });

  test("times before 1970 are negative", () => {
    const bytes = Buffer.alloc(attributesLength({}));
    encodeAttributes(bytes, { ...file, mode: 0o100644, size: 0, mtime: -86_400 }, 0);
    expect(bytes.readBigInt64LE(8 + 72)).toBe(-86_400n);
  });
});

describe("ZAPs", () => {
  test.each<[what: string, count: number, name: string, value: number | string, fits: boolean]>([
    ["2047 entries", 2047, "n", 1, true],
    ["2048 entries", 2048, "n", 1, false],
    ["a name of 49 bytes", 1, "n".repeat(48), 1, true],
    ["a name of 50 bytes", 1, "n".repeat(49), 1, false],
    ["a string", 1, "n", "text", false],
  ])("a micro ZAP with %s: %s", (_, count, name, value, fits) => {
    const entries = Array.from({ length: count }, (_, index) => entry(`${name}${count === 1 ? "x" : index}`, value));
    expect(fitsMicroZap(entries)).toBe(fits);
  });

  test("names with one hash are told apart by a number", () => {
    const salt = 0x5a00000004n;
    const [one, other] = collidingNames(salt);
    const block = encodeMicroZap({ entries: [entry(one), entry("x"), entry(other)], salt });
    expect([0, 1, 2].map((index) => block.readUInt32LE(64 + 64 * index + 8))).toEqual([0, 0, 1]);
    const [, leaf] = [...planFatZap({ entries: [entry(one), entry(other)], salt }).blocks()].map((bytes) =>
      Buffer.from(bytes),
    );
    const numbers = [0, 1, 2, 3, 4, 5, 6].flatMap((chunk) => {
      const at = 1072 + 24 * chunk;
      return leaf?.readUInt8(at) === 252 ? [leaf.readUInt32LE(at + 12)] : [];
    });
    expect(numbers.sort()).toEqual([0, 1]);
  });

  test("a leaf that would be too full is split, where a single one may be full to the last chunk", () => {
    // 638 chunks: 212 entries of three, and one of two more.
    const names = (count: number) => Array.from({ length: count }, (_, index) => entry(`${index}`));
    expect(planFatZap({ entries: names(212), salt: 9n }).blockCount).toBe(2);
    expect(planFatZap({ entries: names(213), salt: 9n }).blockCount).toBe(3);
  });

  test("names that never part are refused, not split without end", () => {
    // One name many times stands for names of one hash.
    const entries = Array.from({ length: 1000 }, () => entry("same"));
    expect(() => planFatZap({ entries, salt: 9n })).toThrow(expect.objectContaining({ code: "names-collide" }));
  });
});

test.each([
  [0, 1, 1],
  [1, 1, 1],
  [2, 1, 2],
  [128, 1, 2],
  [129, 1, 3],
  [128 * 128, 1, 3],
  [128 * 128 + 1, 1, 4],
  [3, 3, 1],
  [4, 3, 2],
  [384, 3, 2],
  [385, 3, 3],
])("%d blocks with %d pointers in the dnode need %d levels", (blocks, pointers, levels) => {
  expect(levelsFor(blocks, pointers)).toBe(levels);
});

describe("the allocator", () => {
  const geometry = vdevGeometry(64 * MiB);

  test("a block that fits to the last byte stays in its metaslab, one that does not goes to the next", () => {
    const size = 2 ** geometry.metaslabShift;
    const allocator = new Allocator(geometry);
    for (let at = 0; at < size; at += 131072) expect(allocator.allocate(131072)).toBe(at);
    expect(allocator.runs).toEqual([size]);
    expect(allocator.allocate(512)).toBe(size);
    for (let at = 1; at < 4; at++) allocator.allocate(131072);
    expect(allocator.allocate(131072)).toBe(2 * size);
    expect(allocator.runs).toEqual([size, 512 + 3 * 131072, 131072]);
  });

  test("leaves the kernel its reserve", () => {
    const allocator = new Allocator(geometry);
    let sum = 0;
    while (allocator.allocate(4096) !== undefined) sum += 4096;
    expect(sum).toBe(allocatable(geometry) - (allocatable(geometry) % 4096));
    expect(geometry.metaslabCount * 2 ** geometry.metaslabShift - sum).toBeGreaterThanOrEqual(32 * MiB);
  });

  test("a size that is said to be enough always is, whatever the blocks", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 256 }), { maxLength: 2000 }), (sectors) => {
        const sum = sectors.reduce((total, count) => total + 512 * count, 0);
        const allocator = new Allocator(vdevGeometry(Math.max(64 * MiB, partitionSizeFor(sum))));
        for (const count of sectors) expect(allocator.allocate(512 * count)).toBeDefined();
      }),
      { numRuns: 50 },
    );
  });
});
