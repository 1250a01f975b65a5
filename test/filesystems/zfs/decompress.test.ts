import { deflateSync } from "node:zlib";

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Compression } from "../../../src/filesystems/zfs/layout.ts";
import { decompress } from "../../../src/filesystems/zfs/read/decompress.ts";
import { CapstanError } from "../../../src/support/errors.ts";

const hex = (text: string) => Buffer.from(text.replaceAll(" ", ""), "hex");

/** A big-endian length, as ZFS puts before a block of LZ4. */
function lz4(block: string): Buffer {
  const bytes = hex(block);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes, Buffer.alloc(20)]);
}

const ABC_ZEROS_D = Buffer.concat([Buffer.from("abc"), Buffer.alloc(300), Buffer.from("d")]);

describe("what compressors of ZFS make", () => {
  test.each<[string, number, Uint8Array, Uint8Array]>([
    ["zle", Compression.zle, hex("02 616263 ff ab 00 64 00 00 00"), ABC_ZEROS_D],
    ["gzip", Compression.gzip1 + 5, Buffer.concat([deflateSync(ABC_ZEROS_D), Buffer.alloc(99)]), ABC_ZEROS_D],
    ["empty", Compression.empty, new Uint8Array(512), new Uint8Array(700)],
    ["lz4, literals alone", Compression.lz4, lz4("30 616263"), Buffer.from("abc")],
    [
      "lz4, a match that overlaps itself",
      Compression.lz4,
      lz4("1f 61 0100 05 10 62"),
      Buffer.from(`${"a".repeat(25)}b`),
    ],
    ["lz4, a match further back", Compression.lz4, lz4("40 61626364 0400 10 65"), Buffer.from("abcdabcde")],
    ["lz4, long literals", Compression.lz4, lz4(`f0 02 ${"78".repeat(17)}`), Buffer.from("x".repeat(17))],
    ["lzjb, literals alone", Compression.lzjb, hex("00 616263"), Buffer.from("abc")],
    ["lzjb, a match that overlaps itself", Compression.lzjb, hex("02 61 5c01 0000"), Buffer.from("a".repeat(27))],
    ["lzjb, a match further back", Compression.lzjb, hex("08 616263 0003 64"), Buffer.from("abcabcd")],
    [
      "lzjb, a last match that reaches beyond the end",
      Compression.lzjb,
      hex("02 61 fc01"),
      Buffer.from("a".repeat(20)),
    ],
    ["lzjb, nine literals", Compression.lzjb, hex(`00 ${"61".repeat(8)} 00 62`), Buffer.from("aaaaaaaab")],
  ])("%s", (_, kind, source, expected) => {
    expect(Buffer.from(decompress(kind, source, expected.length) ?? []).toString("hex")).toBe(
      Buffer.from(expected).toString("hex"),
    );
  });

  test.each([
    [16, "zstd"],
    [99, "unknown"],
  ])("kind %d is refused by name", (kind, text) => {
    const refused = expect.objectContaining({ code: "zfs-feature", message: expect.stringContaining(text) });
    expect(() => decompress(kind, new Uint8Array(512), 512)).toThrow(refused);
    expect(() => decompress(kind, new Uint8Array(512), 512)).toThrow(CapstanError);
  });
});

describe("hostile blocks give nothing, or a block of the right size", () => {
  test.each([
    ["lzjb", Compression.lzjb],
    ["gzip", Compression.gzip9],
    ["zle", Compression.zle],
    ["lz4", Compression.lz4],
  ])("%s", (_, kind) => {
    const size = fc.constantFrom(1, 512, 4096);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), size, (source, length) => {
        expect([undefined, length]).toContain(decompress(kind, source, length)?.length);
      }),
      { numRuns: 300 },
    );
  });

  test.each<[string, number, Buffer, number]>([
    ["gzip that unpacks to more", Compression.gzip1, deflateSync(Buffer.alloc(10_000_000)), 512],
    ["gzip that unpacks to less", Compression.gzip1, deflateSync(Buffer.alloc(511)), 512],
    ["lz4 that is shorter than it says", Compression.lz4, hex("00000005 30616263"), 3],
    ["lz4 with a match before the start", Compression.lz4, lz4("10 61 0200 00"), 5],
    ["lz4 with a match of distance 0", Compression.lz4, lz4("10 61 0000 00"), 5],
    ["lzjb with a match before the start", Compression.lzjb, hex("02 61 0002"), 4],
    ["lzjb with a match of distance 0", Compression.lzjb, hex("02 61 0000"), 4],
    ["zle that is cut off", Compression.zle, hex("05 6161"), 6],
    ["zle with more zeros than there is room", Compression.zle, hex("ff ff ff ff"), 512],
  ])("%s", (_, kind, source, size) => {
    expect(decompress(kind, source, size)).toBeUndefined();
  });
});
