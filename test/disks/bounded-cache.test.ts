import { expect, test } from "vitest";
import { BoundedCache } from "../../src/disks/bounded-cache.ts";

test("keeps what was used last, and makes again what it had to drop", () => {
  const made: number[] = [];
  const cache = new BoundedCache<string>(2);
  const get = (key: number) =>
    cache.get(key, () => {
      made.push(key);
      return `value ${key}`;
    });
  expect([1, 2, 1, 1, 3, 1, 3, 2].map(get)).toEqual([1, 2, 1, 1, 3, 1, 3, 2].map((key) => `value ${key}`));
  expect(made).toEqual([1, 2, 3, 2]);
});

test("keeps nothing of a value whose making failed", () => {
  const cache = new BoundedCache<string>(2);
  expect(() =>
    cache.get(1, () => {
      throw new Error("unreadable");
    }),
  ).toThrow("unreadable");
  expect(cache.get(1, () => "read")).toBe("read");
});
