import fc from "fast-check";
import { expect, test } from "vitest";
import { layoutAmended } from "../../../src/compose/build/layout.ts";
import { failureOf } from "../../project/failure.ts";

const MIB = 1 << 20;
const part = (number: number, start: number, size: number) => ({ number, start, size, type: 0x83 });

test("a base without a root gets one at its end", () => {
  expect(layoutAmended({ size: 3 * MIB + 512, partitions: [] }, 1000)).toEqual({
    ...{ headSize: 3 * MIB + 512, behind: [], totalSize: 4 * MIB + 1024 },
    root: { start: 4 * MIB, size: 1024 },
  });
});

test("what lies behind stays where it is as long as it can", () => {
  const base = { size: 20 * MIB, partitions: [part(2, 2 * MIB, MIB), part(3, 10 * MIB, MIB), part(1, MIB, MIB)] };
  expect(layoutAmended(base, 8 * MIB).behind).toEqual([{ partition: part(3, 10 * MIB, MIB), from: 10 * MIB }]);
  expect(layoutAmended(base, 9 * MIB).behind).toEqual([{ partition: part(3, 12 * MIB, MIB), from: 10 * MIB }]);
});

test.each([
  ["overlap", [part(2, MIB, 2 * MIB), part(3, 2 * MIB, MIB)], "overlaps"],
  ["overlap from before", [part(1, 0, 2 * MIB), part(2, MIB, MIB)], "overlaps"],
  ["reach beyond the disk", [part(2, MIB, MIB), part(3, 7 * MIB, 2 * MIB)], "ends at byte"],
])("partitions that %s are refused", (_, partitions, message) => {
  const error = failureOf(() => layoutAmended({ size: 8 * MIB, partitions }, MIB));
  expect(error).toMatchObject({ code: "base-layout", message: expect.stringContaining(message) });
});

test("nothing overlaps, nothing shrinks, and the order stays", () => {
  const sectors = fc.integer({ min: 1, max: 5000 }).map((count) => count * 512);
  const gaps = fc.array(fc.tuple(sectors, sectors), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(gaps, fc.nat(3), sectors, (parts, rootIndex, rootSize) => {
      let at = 0;
      const numbers = [1, 3, 4];
      const partitions = parts.map(([gap, size], index) => {
        const start = at + gap;
        at = start + size;
        return part(index === rootIndex % parts.length ? 2 : (numbers.shift() ?? 0), start, size);
      });
      const { root, behind, headSize, totalSize } = layoutAmended({ size: at, partitions }, rootSize);
      const before = partitions.filter(({ start }) => start < root.start);
      for (const { start, size } of before) expect(start + size).toBeLessThanOrEqual(headSize);
      let end = root.start + root.size;
      for (const { partition, from } of behind) {
        expect(partition.start).toBeGreaterThanOrEqual(Math.max(end, from));
        end = partition.start + partition.size;
      }
      expect(totalSize).toBe(end);
      expect(before.length + behind.length + 1).toBe(parts.length);
    }),
  );
});
