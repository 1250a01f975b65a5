import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { unpackLz4 } from "../../src/distributions/lz4.ts";
import { testUnless } from "../support/machine.ts";
import { frame, literals, lz4Frame, u32 } from "./lz4-frame.ts";

function unpack(packed: Buffer): Buffer {
  return Buffer.concat([...unpackLz4(packed)].map((piece) => Buffer.from(piece)));
}

/** By hand, after the format's description: token, literals, offset, … */
test.each([
  ["literals alone", frame(literals(Buffer.from("hello"))), "hello"],
  ["a match that overlaps itself", frame(Buffer.from([0x12, 0x61, 1, 0, 0x00])), "aaaaaaa"],
  ["a match that does not", frame(Buffer.from([0x40, ...Buffer.from("abcd"), 4, 0, 0x10, 0x65])), "abcdabcde"],
  ["a long match", frame(Buffer.from([0x1f, 0x78, 1, 0, 255, 1, 0x00])), "x".repeat(1 + 15 + 256 + 4)],
  ["a block as it is", Buffer.concat([frame().subarray(0, 7), u32(0x80000003), Buffer.from("abc"), u32(0)]), "abc"],
  ["no blocks", frame(), ""],
  [
    "a size and checksums of blocks, passed over",
    Buffer.concat([
      Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x78, 0x70]),
      Buffer.alloc(9),
      u32(2),
      Buffer.from([0x10, 0x61]),
      u32(99),
      u32(0),
    ]),
    "a",
  ],
])("%s", (_, packed, text) => {
  expect(unpack(packed).toString()).toBe(text);
});

test("a match reaches into the block before, 64 KiB at most", () => {
  const first = literals(Buffer.from("0123456789"));
  const again = Buffer.from([0x06, 10, 0, 0x00]);
  expect(unpack(frame(first, again)).toString()).toBe("01234567890123456789");
});

describe("what is no such frame", () => {
  const bad: readonly (readonly [string, Buffer])[] = [
    ["nothing", Buffer.alloc(0)],
    ["another magic number", Buffer.from("a text that is long enough")],
    ["another version", Buffer.from([0x04, 0x22, 0x4d, 0x18, 0xa0, 0x70, 0, 0, 0, 0, 0])],
    ["blocks of no known size", Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x60, 0x00, 0, 0, 0, 0, 0])],
    ["a dictionary", Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x61, 0x70, 0, 0, 0, 0, 0, 0, 0, 0, 0])],
    ["no end", frame(literals(Buffer.from("hello"))).subarray(0, -4)],
    ["a block that is cut off", lz4Frame("hello").subarray(0, 13)],
    ["literals beyond the block", frame(Buffer.from([0xf0, 200, 1, 2]))],
    ["a match before the start", frame(Buffer.from([0x10, 0x61, 2, 0, 0x00]))],
    ["a match at no distance", frame(Buffer.from([0x10, 0x61, 0, 0, 0x00]))],
    ["a match without its offset", frame(Buffer.from([0x10, 0x61, 1]))],
    ["a length that never ends", frame(Buffer.from([0x1f, 0x61, 1, 0, 255, 255]))],
    ["more than a block may hold", frame(Buffer.from([0x1f, 0x61, 1, 0, ...Array<number>(20_000).fill(255), 0, 0x00]))],
  ];

  test.each(bad)("%s", (_, packed) => {
    expect(() => unpack(packed)).toThrow(RangeError);
  });

  test("anything else ends too", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        try {
          return unpack(frame(bytes)).length <= 4 << 20;
        } catch (error) {
          return error instanceof RangeError;
        }
      }),
    );
  });
});

const helper = "/usr/lib/apt/apt-helper";
const lists = existsSync("/var/lib/apt/lists")
  ? readdirSync("/var/lib/apt/lists")
      .filter((name) => name.endsWith(".lz4"))
      .map((name) => `/var/lib/apt/lists/${name}`)
      .sort((a, b) => statSync(a).size - statSync(b).size)
  : [];
const reason = existsSync(helper) && lists.length > 0 ? undefined : "apt keeps no lists in LZ4 here";

testUnless(reason)("apt's own lists come out as apt reads them", () => {
  const path = lists.at(-1) ?? "";
  const mine = createHash("sha256");
  for (const piece of unpackLz4(readFileSync(path))) mine.update(piece);
  const theirs = execFileSync(helper, ["cat-file", path], { maxBuffer: 1 << 30 });
  expect(mine.digest("hex")).toBe(createHash("sha256").update(theirs).digest("hex"));
});
