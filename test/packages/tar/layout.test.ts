import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  decodeHeader,
  decodeNumber,
  decodePaxRecords,
  encodeHeader,
  encodePaxRecord,
  paddingOf,
} from "../../../src/packages/tar/layout.ts";
import { header, OLD_GNU, octal } from "./tar-fixtures.ts";

describe("numbers", () => {
  test.each<[string, number]>([
    ["00000000017\0", 15],
    ["       17 \0", 15],
    ["17\0garbage!", 15],
    ["77777777777\0", 0o77777777777],
    ["777777777777", 0o777777777777],
    ["\0\0\0\0\0\0\0\0", 0],
    ["            ", 0],
    ["\x80\0\0\0\0\0\0\0\0\0\x01\x02", 258],
    ["\x80\0\0\0\0\x20\0\0\0\0\0\0", 2 ** 53],
    ["\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe", -2],
    ["00000000018\0", Number.NaN],
    ["-0000000001\0", Number.NaN],
    ["0x10\0", Number.NaN],
  ])("%j is %d", (text, expected) => {
    const value = decodeNumber(Buffer.from(text, "latin1"));
    expect(value).toBe(expected === 2 ** 53 ? Number.NaN : expected);
  });
});

test("a header made by hand is decoded field by field", () => {
  const block = header({
    name: "c",
    prefix: "a/b",
    size: octal(1234),
    mtime: octal(99),
    mode: "0004755\0",
    linkName: "l",
  });
  expect(decodeHeader(block)).toEqual({
    type: "0",
    name: Buffer.from("a/b/c"),
    linkName: Buffer.from("l"),
    mode: 0o4755,
    size: 1234,
    mtime: 99,
  });
});

test("GNU's old format has other things in the place of the prefix", () => {
  expect(decodeHeader(header({ name: "c", prefix: "12345", magic: OLD_GNU }))).toMatchObject({
    name: Buffer.from("c"),
  });
});

test("the checksum may be one of signed characters, and nothing else", () => {
  const name = Buffer.from("ä");
  const unsigned = Number.parseInt(header({ name }).toString("latin1", 148, 154), 8);
  const signed = unsigned - 2 * 256;
  expect(decodeHeader(header({ name, checksum: `${signed.toString(8).padStart(6, "0")}\0 ` }))).toMatchObject({ name });
  expect(decodeHeader(header({ name, checksum: `${(unsigned + 1).toString(8).padStart(6, "0")}\0 ` }))).toBe(
    "checksum",
  );
});

test("a header that is written equals one made by hand", () => {
  const written = encodeHeader({ type: "0", name: "c", prefix: "a/b", mode: 0o755, size: 7, mtime: 8 });
  const byHand = header({ name: "c", prefix: "a/b", mode: "0000755\0", size: octal(7), mtime: octal(8) });
  for (const offset of [108, 116, 329, 337]) byHand.write("0000000\0", offset);
  byHand.fill(0, 265, 265 + 7);
  byHand.write("        ", 148);
  const sum = byHand.reduce((total, byte) => total + byte, 0);
  byHand.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  expect(Buffer.from(written).equals(byHand)).toBe(true);
});

describe("PAX records", () => {
  // The length counts its own digits: the cases around one digit more.
  test.each<[number, number]>([
    [4, 9],
    [5, 11],
    [93, 99],
    [94, 101],
    [992, 999],
    [993, 1001],
  ])("with a value of %d bytes a record has %d", (size, length) => {
    const value = "x".repeat(size);
    expect(Buffer.from(encodePaxRecord("k", value)).toString()).toBe(`${length} k=${value}\n`);
    expect(encodePaxRecord("k", value)).toHaveLength(length);
  });

  test("decode undoes encode, for any text and several records", () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.stringMatching(/^[A-Za-z.]{1,20}$/), fc.string({ unit: "binary" }), { maxKeys: 4 }),
        (records) => {
          const bytes = Buffer.concat(Object.entries(records).map(([key, value]) => encodePaxRecord(key, value)));
          const decoded = decodePaxRecords(bytes);
          const texts = [...(decoded ?? [])].map(([key, value]) => [key, Buffer.from(value).toString()]);
          expect(texts).toEqual(Object.entries(records));
        },
      ),
    );
  });

  test.each([
    "x",
    "5 k=v",
    "6 k=v",
    "7 k=v\n",
    "06 k=v\n",
    "6 k=v\n\0",
    "6 kkv\n",
    "5 =v\n",
    "-6 k=v\n",
    " 6 k=v\n",
    "99999999999 k=v\n",
  ])("%j is refused", (text) => {
    expect(decodePaxRecords(Buffer.from(text))).toBeUndefined();
  });
});

test("padding fills the last block", () => {
  expect([0, 1, 511, 512, 513].map(paddingOf)).toEqual([0, 511, 1, 0, 511]);
});
