import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  checkPathLength,
  compareBytes,
  linkTargetFault,
  nameFault,
  quotePath,
  sortByBytes,
} from "../../src/filesystems/names.ts";
import { decodeName, encodeName } from "../../src/support/name-bytes.ts";

describe("names", () => {
  test.each([
    ["", "empty"],
    [".", "not a name"],
    ["..", "not a name"],
    ["a/b", "slash"],
    ["a\0b", "NUL"],
    ["\ud800", "surrogate"],
    ["a\udc00b", "surrogate"],
    ["a\udd00", "surrogate"],
    ["\udcc3\udca9", "surrogate"],
    ["\udcff".repeat(256), "longer than 255 bytes"],
    ["n".repeat(256), "longer than 255 bytes"],
    ["é".repeat(128), "longer than 255 bytes"],
  ])("%j is refused", (name, why) => {
    expect(nameFault(name)).toContain(why);
  });

  test.each([
    "a",
    "...",
    "..a",
    " ",
    "é".repeat(127),
    "n".repeat(255),
    "😀",
    "\ufffd",
    "a\nb",
    "\\",
    "caf\udce9",
    "\udcff".repeat(255),
  ])("%j is fine", (name) => {
    expect(nameFault(name)).toBeUndefined();
  });

  test.each([
    ["", "empty"],
    ["a\0", "NUL"],
    ["\udfff", "surrogate"],
    ["t".repeat(4096), "longer than 4095 bytes"],
  ])("a link to %j is refused", (target, why) => {
    expect(linkTargetFault(target)).toContain(why);
  });

  test("a path of 4095 bytes is the longest", () => {
    expect(() => checkPathLength(`/${"é".repeat(2047)}`)).not.toThrow();
    expect(() => checkPathLength(`/${"é".repeat(2047)}x`)).toThrow(expect.objectContaining({ code: "path-too-long" }));
  });
});

describe("order", () => {
  const text = fc
    .array(fc.oneof(fc.string({ unit: "binary", maxLength: 4 }), fc.uint8Array({ maxLength: 4 }).map(decodeName)))
    .map((parts) => decodeName(Buffer.concat(parts.map(encodeName))));

  test("the order is that of the bytes", () => {
    fc.assert(
      fc.property(text, text, (a, b) => {
        expect(Math.sign(compareBytes(a, b))).toBe(Buffer.compare(encodeName(a), encodeName(b)));
      }),
      { numRuns: 2000 },
    );
  });

  test("characters beyond U+FFFF come after U+FFFD, which UTF-16 order would turn around", () => {
    expect(sortByBytes(["😀", "\ufffd", "z", "Z"])).toEqual(["Z", "z", "\ufffd", "😀"]);
  });

  test("sorting names sorts their bytes", () => {
    fc.assert(
      fc.property(fc.array(text), (names) => {
        const asBytes = names.map(encodeName).sort(Buffer.compare);
        expect(sortByBytes(names).map(encodeName)).toEqual(asBytes);
      }),
    );
  });
});

test("paths in messages cannot act on a terminal, and stay short", () => {
  expect(quotePath("a\x1b[31mb\n\ud800\u202e")).toBe("'a\\u001b[31mb\\u000a\\ud800\\u202e'");
  expect(quotePath("/caf\udce9/é/\udcff")).toBe("'/caf\\xe9/é/\\xff'");
  expect(quotePath("x".repeat(5000)).length).toBeLessThan(450);
});
