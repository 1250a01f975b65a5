import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { expandFastLz } from "../../src/kernels/fastlz.ts";
import { instruction, packFastLz } from "./fastlz-pack.ts";

const repetitive = fc
  .array(fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 12 }), fc.integer({ min: 1, max: 90 })), {
    minLength: 1,
    maxLength: 12,
  })
  .map((parts) =>
    Buffer.concat(parts.flatMap(([part, times]) => Array.from({ length: times }, () => Buffer.from(part)))),
  );

describe.each([1, 2] as const)("level %i", (level) => {
  test("what is packed comes out again", () => {
    fc.assert(
      fc.property(repetitive, (bytes) => {
        const target = Buffer.alloc(bytes.length, 0xee);
        expect(expandFastLz(packFastLz(bytes, level), target)).toBe(true);
        expect(target.equals(bytes)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  test("a target of another size is refused", () => {
    const packed = packFastLz(Buffer.from("abcabcabcabc"), level);
    expect(expandFastLz(packed, Buffer.alloc(12))).toBe(true);
    expect(expandFastLz(packed, Buffer.alloc(11))).toBe(false);
    expect(expandFastLz(packed, Buffer.alloc(13))).toBe(false);
  });

  test("a cut or changed block never writes outside, throws or hangs", () => {
    const packed = packFastLz(Buffer.from("to be or not to be, that is to be or not to be".repeat(4)), level);
    fc.assert(
      fc.property(fc.nat(packed.length), fc.nat(packed.length - 1), fc.nat(255), (length, at, value) => {
        const changed = Buffer.from(packed);
        changed[at] = value;
        const around = Buffer.alloc(600, 0xaa);
        expandFastLz(changed.subarray(0, length), around.subarray(200, 384));
        expect(around.subarray(0, 200).every((byte) => byte === 0xaa)).toBe(true);
        expect(around.subarray(384).every((byte) => byte === 0xaa)).toBe(true);
      }),
    );
  });
});

test("a match may reach back 73,727 bytes at level 2, and be of any length", () => {
  const size = 80_000;
  const literals = Buffer.from(Array.from({ length: 32 }, (_, index) => index + 1));
  const runs: number[] = [];
  for (let at = 0; at < size; at += 32) runs.push(31, ...literals.map((byte) => (byte + at) & 0xff));
  runs[0] = 31 | (1 << 5);
  const packed = Buffer.from([...runs, ...instruction(1000, 73_727, 2)]);
  const target = Buffer.alloc(size + 1000);
  expect(expandFastLz(packed, target)).toBe(true);
  expect(target.subarray(size).equals(target.subarray(size - 73_727, size - 73_727 + 1000))).toBe(true);
});

test.each<[string, readonly number[], number]>([
  ["nothing at all", [], 0],
  ["level 3", [0x40, 1], 1],
  ["a match before the first byte", [0, 65, 0x20, 1], 4],
  ["literals that are not there", [5, 65], 6],
  ["a match without its distance", [0, 65, 0x20], 4],
  ["a long match without its length", [0, 65, 0xe0], 10],
  ["lengths without an end, at level 2", [0x20, 65, 0xe0, 255, 255], 700],
  ["a far match without its distance, at level 2", [0x20, 65, 0x3f, 255, 1], 4],
])("refused: %s", (_, packed, size) => {
  expect(expandFastLz(Buffer.from(packed), Buffer.alloc(size))).toBe(false);
});
