import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compareVersions, highestVersion, parseRequirement } from "../../src/project/versions.ts";

describe("the order", () => {
  test.each([
    // Of the original.
    [["4.12.10", "5.0.0"]],
    [["4.12.10", "4.13.10", "4.13.11"]],
    [["1", "1.2", "1.2.3"]],
    // In use.
    [["2.7", "2.10", "10.14.1.0", "10.14.1.1"]],
    [["9.4.19", "9.4.19.v20190610", "9.4.19.v20190701", "9.4.20.v20190601"]],
    [["0.56.0", "0.57.0-rc1", "0.57.0", "0.57.0-0e34e4dc", "0.57.1"]],
    [["0.57.0", "0.57.0-9-g1234567", "0.57.0-398-g0e34e4dc", "0.57.1", "0.58"]],
    [["1.8.0", "1.8.0_112", "1.8.0_202"]],
    [["1.2.3-alpha", "1.2.3-alpha2", "1.2.3.beta2", "1.2.3-rc1", "1.2.3-rc10", "1.2.3", "1.2.3a", "1.2.4-alpha"]],
    [["1.2.0-rc1", "1.2", "1.2.0", "1.2.0.0", "1.2.1-rc1", "1.2.1"]],
    [["1.0-SNAPSHOT", "1.0-rc1", "1.0"]],
    [["", "x", "0"]],
    [["1.x", "1.2", "1.1000"]],
    [["1.99999999999999999998", "1.99999999999999999999", "1.100000000000000000000"]],
  ])("%j", (versions) => {
    for (const [index, lower] of versions.entries()) {
      for (const higher of versions.slice(index + 1)) {
        expect([lower, higher, compareVersions(lower, higher) < 0]).toEqual([lower, higher, true]);
        expect([higher, lower, compareVersions(higher, lower) > 0]).toEqual([higher, lower, true]);
      }
    }
  });

  test.each([
    ["1.2", "v1.2"],
    ["1.2", "1.2+build7"],
    ["1.02", "1.2"],
    ["1.2-RC1", "1.2.rc1"],
    ["1.2-rc1", "1.2rc1"],
    ["1-0", "1.0"],
    ["0.57.0-0e34e4dc-dirty", "0.57.0-0e34e4dc"],
    ["0.57.0-0E34E4DC", "0.57.0-0e34e4dc"],
  ])("%s and %s are equal", (a, b) => {
    expect(Math.abs(compareVersions(a, b))).toBe(0);
  });

  const piece = fc.oneof(
    fc.nat(12).map(String),
    fc.constantFrom("rc", "rc1", "alpha", "beta2", "p1", "v20190610", "0", "00", "a", "x", "0e34e4dc", "398-g0e34e4dc"),
  );
  const version = fc.oneof(
    fc
      .array(fc.tuple(piece, fc.constantFrom(".", "-", "_", "+", "")), { maxLength: 5 })
      .map((parts) => parts.flat().join("")),
    fc.string(),
  );

  test("is one: it does not contradict itself", () => {
    const check = fc.property(version, version, version, (a, b, c) => {
      const [ab, bc, ac] = [compareVersions(a, b), compareVersions(b, c), compareVersions(a, c)].map(Math.sign);
      expect(compareVersions(a, a)).toBe(0);
      expect(Math.sign(compareVersions(b, a)) + (ab ?? 0)).toBe(0);
      if ((ab ?? 0) <= 0 && (bc ?? 0) <= 0) expect(ac).toBeLessThanOrEqual(0);
      if (ab === 0 && bc === 0) expect(ac).toBe(0);
    });
    fc.assert(check, { numRuns: 5000 });
  });

  test("a start of a version is lower than it, unless what follows says that it comes before", () => {
    const numbers = fc.array(fc.nat(99), { minLength: 1, maxLength: 4 }).map((all) => all.join("."));
    fc.assert(
      fc.property(numbers, fc.nat(99), (start, more) => {
        expect(compareVersions(start, `${start}.${more}`)).toBeLessThan(0);
        expect(compareVersions(start, `${start}-rc${more}`)).toBeGreaterThan(0);
        expect(compareVersions(start, `${start}-0e34e4dc`)).toBeLessThan(0);
      }),
    );
  });

  test("the highest of several", () => {
    expect(highestVersion(["1.9", "1.10-rc1", "1.2"])).toBe("1.10-rc1");
    expect(highestVersion([])).toBeUndefined();
  });

  test("long texts take no long time", () => {
    const long = `${"1-".repeat(50_000)}x`;
    expect(compareVersions(long, `${long}y`)).toBeLessThan(0);
  });
});

describe("requirements", () => {
  const accepts = (text: string, version: string | undefined) => {
    const parsed = parseRequirement(text);
    return "problem" in parsed ? parsed.problem : parsed.range?.accepts(version);
  };

  test.each([
    ["osv.cli", "osv.cli", undefined],
    [" osv.cli ", "osv.cli", undefined],
    ["openjdk8-zulu@1.8", "openjdk8-zulu", "@1.8"],
    ["a >= 1.2", "a", ">= 1.2"],
    ["a>=1.2,<2", "a", ">=1.2,<2"],
    ["a ^1.2 <1.9", "a", "^1.2 <1.9"],
  ])("%j", (text, name, range) => {
    const parsed = parseRequirement(text);
    expect("problem" in parsed ? parsed : [parsed.name, parsed.range?.text]).toEqual([name, range]);
  });

  test.each<[string, readonly string[], readonly string[]]>([
    [
      "a@1.2",
      ["1.2", "v1.2", "1.2.0", "1.2.9", "1.2-0e34e4dc", "1.2.v2019"],
      ["1", "1.20", "1.3", "1.2-rc1", "1.2.1-rc1"],
    ],
    ["a@0.57.0", ["0.57.0", "0.57", "0.57.0-0e34e4dc", "0.57.0-398-g0e34e4dc"], ["0.57.1", "0.57.0-rc1"]],
    ["a@1.2-rc1", ["1.2-rc1"], ["1.2", "1.2-rc2", "1.2-rc10"]],
    ["a =1.2", ["1.2", "1.2.0"], ["1.2.1", "1.2-0e34e4dc", "1.2-rc1"]],
    ["a ==1.2", ["1.2"], ["1.3"]],
    ["a >=1.2.0", ["1.2", "1.2.0", "1.2.1", "2", "1.2-0e34e4dc", "1.10"], ["1.1", "1.2-rc1", "1.2.0-rc1"]],
    ["a >1.2", ["1.2.1", "1.3-rc1", "1.2-0e34e4dc"], ["1.2", "1.2.0"]],
    ["a <=1.2", ["1.2.0", "1.1", "1.2-rc1"], ["1.2.1"]],
    ["a <2", ["1.99", "1.2-rc1"], ["2", "2.0", "2.0-rc1", "2-alpha"]],
    ["a <2-rc2", ["1.9", "2-rc1", "2-beta"], ["2-rc2", "2"]],
    ["a >= 1.2 < 2", ["1.2", "1.9"], ["1.1", "2"]],
    ["a@>=1.2,<1.5", ["1.2"], ["1.5"]],
    ["a ^1.2.3", ["1.2.3", "1.9", "1.2.3-0e34e4dc"], ["1.2.2", "1.2.3-rc1", "2.0", "2.0-rc1", "11.2.3"]],
    ["a ^0.57", ["0.57", "0.57.3", "0.57.0-0e34e4dc"], ["0.58", "0.58-rc1", "1.0", "0.56"]],
    ["a ^0.0.3", ["0.0.3", "0.0.3.1"], ["0.0.4", "0.0.2"]],
    ["a ^0.0", ["0", "0.0", "0.0.9"], ["0.1"]],
    ["a ^1", ["1", "1.9"], ["2", "0.9"]],
    ["a ~1.2.3", ["1.2.3", "1.2.9"], ["1.3", "1.2.2", "1.3-rc1"]],
    ["a ~1.2", ["1.2", "1.2.9"], ["1.3", "1.1"]],
    ["a ~1.0", ["1", "1.0.4"], ["1.1"]],
    ["a ~1", ["1.0", "1.9"], ["2"]],
    ["a >=9.4.19.v20190610", ["9.4.19.v20190610", "9.4.20"], ["9.4.19", "9.4.19.v20180610"]],
  ])("%s", (text, fitting, others) => {
    for (const one of fitting) expect([one, accepts(text, one)]).toEqual([one, true]);
    for (const one of others) expect([one, accepts(text, one)]).toEqual([one, false]);
    expect(accepts(text, undefined)).toBe(false);
  });

  test.each([
    "",
    "@1.2",
    "../a",
    "a/b@1",
    "a@",
    "a >=",
    "a 1.2",
    "a >=1.2 2",
    "a =>1",
    "a !=1",
    "a ^x",
    "a ~rc1",
    "a >=1..\u001b[31m",
    "a >=1.2|<3",
    "a@1@2",
    `a >=${"1".repeat(1000)}`,
  ])("%j is none", (text) => {
    const parsed = parseRequirement(text);
    expect(parsed).toEqual({ problem: expect.any(String) });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they must not reach a terminal
    expect("problem" in parsed ? parsed.problem : "").not.toMatch(/[\u0000-\u001f]/);
  });

  test("whatever the text is, there is an answer", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string(), (text, version) => {
        const parsed = parseRequirement(text);
        if (!("problem" in parsed)) parsed.range?.accepts(version);
      }),
    );
  });
});
