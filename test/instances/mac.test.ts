import fc from "fast-check";
import { expect, test } from "vitest";
import { parseMac, stableMac } from "../../src/instances/mac.ts";

test.each([
  ["52:54:00:12:34:56", "52:54:00:12:34:56"],
  ["52-54-00-AB-CD-EF", "52:54:00:ab:cd:ef"],
])("%s", (text, mac) => {
  expect(parseMac(text)).toBe(mac);
});

test.each([
  "",
  "zz",
  "52:54:00:12:34",
  "52:54:00:12:34:5",
  "52:54:00:12:34:56:78",
  "5g:54:00:12:34:56",
  "01:00:5e:00:00:01",
  "00:00:00:00:00:00",
])("'%s' is an error", (text) => {
  expect(() => parseMac(text)).toThrow(expect.objectContaining({ code: "bad-mac", exitCode: 64 }));
});

test("a name gives the same address each time, another name another one, always one that a card may have", () => {
  expect(stableMac("a", "b")).toBe(stableMac("a", "b"));
  expect(stableMac("a", "b")).not.toBe(stableMac("ab"));
  fc.assert(fc.property(fc.string(), (name) => parseMac(stableMac(name)) === stableMac(name)));
});
