import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fitsName, hasWildcards, parsePattern } from "../../../src/compose/build/wildcards.ts";

function fits(pattern: string, name: string): boolean {
  const [segment] = parsePattern(pattern);
  if (segment?.kind === "name") return segment.name === name;
  return segment?.kind === "pattern" && fitsName(segment.tokens, name);
}

describe("a pattern and a name", () => {
  test.each([
    ["*", "a", true],
    ["*", ".a", false],
    [".*", ".a", true],
    ["?a", ".a", false],
    ["[.]a", ".a", false],
    ["*.so", "x.so", true],
    ["*.so", "x.so.1", false],
    ["*.so*", "x.so.1", true],
    ["a*b*c", "aXbYbZc", true],
    ["a*b*c", "aXbYbZ", false],
    ["a?c", "abc", true],
    ["a?c", "ac", false],
    ["[a-c]x", "bx", true],
    ["[a-c]x", "dx", false],
    ["[!a-c]x", "dx", true],
    ["[^a-c]x", "bx", false],
    ["[]]", "]", true],
    ["[a-]", "-", true],
    ["[a", "[a", true],
    ["\\*", "*", true],
    ["\\*", "x", false],
    ["\\[a\\]", "[a]", true],
    ["x*", "x", true],
    ["**x", "abx", true],
    ["ü?", "üß", true],
  ])("%s and %s: %s", (pattern, name, expected) => {
    expect(fits(pattern, name)).toBe(expected);
  });
});

test.each([
  ["a/b.c", false],
  ["a/*.c", true],
  ["a/**/b", true],
  ["a\\*", false],
  ["[a", false],
])("%s has wildcards: %s", (pattern, expected) => {
  expect(hasWildcards(parsePattern(pattern))).toBe(expected);
});

test("any name fits itself with its wildcards escaped, and nothing else", () => {
  const name = fc.string({ minLength: 1 }).filter((text) => !text.includes("/"));
  fc.assert(
    fc.property(name, name, (one, other) => {
      const pattern = one.replace(/[*?[\]\\]/g, "\\$&");
      expect(fits(pattern, one)).toBe(true);
      expect(fits(pattern, other)).toBe(one === other);
    }),
  );
});

test("the same as a regular expression says", () => {
  const letters = fc.array(fc.constantFrom("a", "b", "*", "?"), { maxLength: 8 }).map((parts) => parts.join(""));
  const names = fc.array(fc.constantFrom("a", "b"), { maxLength: 10 }).map((parts) => parts.join(""));
  fc.assert(
    fc.property(letters, names, (pattern, name) => {
      fc.pre(pattern !== "" && pattern !== "**" && name !== "");
      const expression = new RegExp(`^${pattern.replaceAll("*", ".*").replaceAll("?", ".")}$`);
      expect(fits(pattern, name)).toBe(expression.test(name));
    }),
  );
});

test("a pattern made to take long does not", () => {
  expect(fits(`${"a*".repeat(100)}b`, "a".repeat(255))).toBe(false);
});
