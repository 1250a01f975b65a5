import fc from "fast-check";
import { expect, test } from "vitest";
import { isEntryPath, parseEntryName } from "../../../src/packages/tar/entries.ts";
import { decodeName, encodeName } from "../../../src/support/name-bytes.ts";

test.each([
  "",
  "a",
  "a/b",
  "...",
  "a/..b/.c",
  "a b",
  "ü/日本/😀",
  "caf\udce9/\udcff",
  "\udcff".repeat(4096),
  "a".repeat(4096),
])("%j is the path of an entry", (path) => {
  expect(isEntryPath(path)).toBe(true);
});

test.each([
  "/",
  "/a",
  "a/",
  "a//b",
  ".",
  "..",
  "a/.",
  "a/../b",
  "./a",
  "../a",
  "a\0",
  "\ud800",
  "\udc00",
  "\udcc3\udca9",
  "\udcff".repeat(4097),
  "a".repeat(4097),
  "ü".repeat(2049),
])("%j is none", (path) => {
  expect(isEntryPath(path)).toBe(false);
});

test("it is one exactly when the name stands for itself", () => {
  const text = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.uint8Array().map(decodeName),
    fc.stringMatching(/^[a./]{0,9}$/),
  );
  fc.assert(
    fc.property(text, (path) => {
      const parsed = parseEntryName(encodeName(path));
      const itself = path === "" || ("path" in parsed && parsed.path === path);
      expect(isEntryPath(path)).toBe(itself);
    }),
    { numRuns: 500 },
  );
});
