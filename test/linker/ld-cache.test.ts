import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { indexCache, parseLdCache } from "../../src/linker/ld-cache.ts";
import { machineFacts } from "../../src/linker/machines.ts";
import { CapstanError } from "../../src/support/errors.ts";
import { lacksProgram, testUnless } from "../support/machine.ts";
import { bothCaches, newCache, oldCache } from "./build-cache.ts";

const entries = [
  { name: "libz.so.1", path: "/lib/libz.so.1" },
  { name: "libc.so.6", path: "/lib/libc.so.6" },
];
const x86 = machineFacts({ machine: "x86-64", bits: 64, byteOrder: "little" });
const index = (bytes: Buffer, hwcaps: readonly string[] = []) => indexCache(parseLdCache(bytes, "little"), x86, hwcaps);
const both = new Map(entries.map(({ name, path }) => [name, path]));

describe.each(["little", "big"] as const)("%s-endian", (byteOrder) => {
  test.each([
    ["old", oldCache(entries, { byteOrder })],
    ["new", newCache(entries, { byteOrder })],
    ["old with the new one behind it", bothCaches([{ name: "x", path: "/x" }], entries, { byteOrder })],
    [
      "old with an odd number of entries",
      bothCaches(
        [entries[0], entries[0], entries[0]].flatMap((one) => one ?? []),
        entries,
        { byteOrder },
      ),
    ],
  ])("the format that is %s", (_, bytes) => {
    expect(indexCache(parseLdCache(bytes, byteOrder), x86, [])).toEqual(both);
  });

  test("what a cache says of its byte order counts more than what the program has", () => {
    const bytes = newCache(entries, { byteOrder, orderFlag: byteOrder === "little" ? 2 : 3 });
    expect(parseLdCache(bytes, byteOrder === "little" ? "big" : "little")).toHaveLength(2);
  });
});

test.each([
  ["x86-64", 64, "little", 0x0303],
  ["i386", 32, "little", 0x0003],
  ["x86-64", 32, "little", 0x0803],
  ["aarch64", 64, "little", 0x0a03],
  ["arm", 32, "little", 0x0903],
  ["riscv", 64, "little", 0x1003],
  ["s390", 64, "big", 0x0403],
  ["ppc64", 64, "little", 0x0503],
] as const)(
  "of entries for several machines, programs for %s %i bit take their own",
  (machine, bits, byteOrder, flags) => {
    const all = [0x0303, 0x0003, 0x0803, 0x0a03, 0x0903, 0x1003, 0x0403, 0x0503];
    const bytes = newCache(all.map((one) => ({ name: "liba.so", path: `/${one}`, flags: one })));
    const facts = machineFacts({ machine, bits, byteOrder });
    expect(indexCache(parseLdCache(bytes, "little"), facts, [])).toEqual(new Map([["liba.so", `/${flags}`]]));
  },
);

test("the first of several entries for one name counts", () => {
  const bytes = newCache([
    { name: "liba.so", path: "/usr/local/lib/liba.so" },
    { name: "liba.so", path: "/lib/liba.so" },
  ]);
  expect(index(bytes)).toEqual(new Map([["liba.so", "/usr/local/lib/liba.so"]]));
});

describe("entries for CPUs with more abilities", () => {
  const hwcaps = ["x86-64-v2", "x86-64-v3"];
  const bytes = newCache(
    [
      { name: "liba.so", path: "/v3/liba.so", hwcap: 1 },
      { name: "liba.so", path: "/v2/liba.so", hwcap: 0 },
      { name: "liba.so", path: "/sse/liba.so", legacyHwcap: 4n },
      { name: "liba.so", path: "/liba.so" },
      { name: "libodd.so", path: "/odd/libodd.so", hwcap: 99 },
    ],
    { hwcaps },
  );

  test.each([
    [[], "/liba.so"],
    [["x86-64-v2"], "/v2/liba.so"],
    [["x86-64-v3", "x86-64-v2"], "/v3/liba.so"],
    [["x86-64-v4"], "/liba.so"],
  ])("with %j give %s", (asked, path) => {
    expect(index(bytes, asked)).toEqual(new Map([["liba.so", path]]));
  });
});

const lacks = lacksProgram("ldconfig") ?? (existsSync("/etc/ld.so.cache") ? undefined : "no /etc/ld.so.cache");

testUnless(lacks)("the cache of this machine is read as ldconfig prints it", () => {
  const printed = execFileSync("ldconfig", ["-p"], { encoding: "utf8" });
  const lines = [...printed.matchAll(/^\t(\S.*) \(.*\) => (.*)$/gm)].map(([, name, path]) => ({ name, path }));
  const read = parseLdCache(readFileSync("/etc/ld.so.cache"), "little").map(({ name, path }) => ({ name, path }));
  expect(read.length).toBeGreaterThan(0);
  expect(read).toEqual(lines);
});

describe("a damaged cache", () => {
  const cache = newCache(entries, { hwcaps: ["x86-64-v2"] });
  const read = (bytes: Buffer) => {
    try {
      return parseLdCache(bytes, "little").length;
    } catch (error) {
      if (error instanceof CapstanError) return error.code;
      throw error;
    }
  };

  test.each([
    ["empty", Buffer.alloc(0)],
    ["something else", Buffer.from("#!/bin/sh\n")],
    ["only its head", cache.subarray(0, 30)],
    ["of too many entries", Buffer.concat([cache.subarray(0, 20), Buffer.from("ffffff7f", "hex"), cache.subarray(24)])],
    ["an old one of too many entries", Buffer.concat([Buffer.from("ld.so-1.7.0\0"), Buffer.from("ffffffff", "hex")])],
  ])("that is %s is an error", (_, bytes) => {
    expect(read(bytes)).toBe("bad-ld-cache");
  });

  test("with any bytes in it gives entries or an error", () => {
    const change = fc.record({ at: fc.nat(cache.length - 1), value: fc.nat(255) });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 10 }), fc.nat(cache.length), (changes, length) => {
        const bytes = Buffer.from(cache.subarray(0, length));
        for (const { at, value } of changes) if (at < length) bytes[at] = value;
        expect(["bad-ld-cache", 0, 1, 2]).toContain(read(bytes));
      }),
    );
  });
});
