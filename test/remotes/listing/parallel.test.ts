import { expect, test } from "vitest";
import { inParallel } from "../../../src/remotes/listing/parallel.ts";

test.each([
  [0, 0],
  [1, 1],
  [3, 3],
  [50, 8],
])("%d items: at most %d at a time, results in their order", async (items, most) => {
  let running = 0;
  let peak = 0;
  const results = await inParallel([...Array(items).keys()], 8, async (item) => {
    peak = Math.max(peak, ++running);
    for (let turn = 0; turn <= (item * 7) % 5; turn++) await Promise.resolve();
    running--;
    return item * 2;
  });
  expect(results).toEqual([...Array(items).keys()].map((item) => item * 2));
  expect(peak).toBe(most);
});

test("after an error no more are begun", async () => {
  const begun: number[] = [];
  const work = inParallel([...Array(50).keys()], 4, async (item) => {
    begun.push(item);
    await new Promise((resolve) => setImmediate(resolve));
    if (item === 1) throw new Error("broken");
  });
  await expect(work).rejects.toThrow("broken");
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
  expect(begun.length).toBeLessThan(10);
});
