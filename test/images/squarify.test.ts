import fc from "fast-check";
import { expect, test } from "vitest";
import { squarify } from "../../src/images/squarify.ts";

const box = { x: 10, y: 20, width: 400, height: 300 };
const sizes = fc
  .array(fc.integer({ min: 0, max: 1_000_000 }), { minLength: 1, maxLength: 60 })
  .map((list) => list.sort((a, b) => b - a));

test("areas are as the sizes, inside the whole, and none lies over another", () => {
  fc.assert(
    fc.property(sizes, (list) => {
      const total = list.reduce((sum, size) => sum + size, 0);
      fc.pre(total > 0);
      const boxes = squarify(list, box);
      expect(boxes).toHaveLength(list.length);
      for (const [index, { x, y, width, height }] of boxes.entries()) {
        expect(width * height).toBeCloseTo(((list[index] ?? 0) / total) * box.width * box.height, 3);
        expect(x).toBeGreaterThanOrEqual(box.x - 1e-6);
        expect(y).toBeGreaterThanOrEqual(box.y - 1e-6);
        expect(x + width).toBeLessThanOrEqual(box.x + box.width + 1e-6);
        expect(y + height).toBeLessThanOrEqual(box.y + box.height + 1e-6);
      }
      for (const [index, a] of boxes.entries()) {
        for (const b of boxes.slice(index + 1)) {
          const across = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
          const down = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
          expect(Math.min(across, down)).toBeLessThan(1e-6);
        }
      }
    }),
  );
});

test("the example of the paper: 6, 6, 4, 3, 2, 2, 1 in six by four", () => {
  const boxes = squarify([6, 6, 4, 3, 2, 2, 1], { x: 0, y: 0, width: 6, height: 4 });
  expect(boxes.slice(0, 3)).toEqual([
    { x: 0, y: 0, width: 3, height: 2 },
    { x: 0, y: 2, width: 3, height: 2 },
    { x: 3, y: 0, width: expect.closeTo(12 / 7), height: expect.closeTo(7 / 3) },
  ]);
});

test.each([[[]], [[0, 0]]])("nothing of %j has an area", (list) => {
  for (const { width, height } of squarify(list, box)) expect(width * height).toBe(0);
});
