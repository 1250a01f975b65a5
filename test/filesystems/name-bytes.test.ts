import { isUtf8 } from "node:buffer";
import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  byteLength,
  decodeName,
  encodeName,
  hasOddBytes,
  isNameText,
  showOddBytes,
} from "../../src/support/name-bytes.ts";
import { lacksProgram, testUnless } from "../support/machine.ts";

test.each([
  ["", ""],
  ["plain", "plain"],
  ["\xc3\xa9", "é"],
  ["caf\xe9", "caf\udce9"],
  ["\xff", "\udcff"],
  ["\xf0\x9f\x92\x80\x80", "\u{1f480}\udc80"],
  ["cut off: \xe2\x82", "cut off: \udce2\udc82"],
  ["overlong: \xc0\xaf", "overlong: \udcc0\udcaf"],
  ["a surrogate: \xed\xb3\xbf", "a surrogate: \udced\udcb3\udcbf"],
  ["beyond: \xf4\x90\x80\x80", "beyond: \udcf4\udc90\udc80\udc80"],
  ["\xef\xbf\xbd", "\ufffd"],
  ["\xef\xbf\xbd\xe9", "\ufffd\udce9"],
])("%j, as bytes, is %j", (bytes, name) => {
  expect(decodeName(Buffer.from(bytes, "latin1"))).toBe(name);
  expect(encodeName(name).toString("latin1")).toBe(bytes);
  expect(byteLength(name)).toBe(bytes.length);
  expect(hasOddBytes(name)).toBe(!isUtf8(Buffer.from(bytes, "latin1")));
});

/** Bytes among which whole characters, and ends and beginnings of them, are not rare. */
const bytesArbitrary = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 5 }),
      fc.string({ unit: "binary", maxLength: 3 }).map((text) => Buffer.from(text)),
      fc
        .tuple(fc.string({ unit: "binary", maxLength: 2 }), fc.nat(5))
        .map(([text, end]) => Buffer.from(text).subarray(end)),
      fc.constantFrom(0xc1, 0xe0, 0xed, 0xf0, 0xf4, 0xf5).map((first) => Buffer.of(first, 0x80, 0x9f, 0xa0, 0xbf)),
    ),
    { maxLength: 6 },
  )
  .map((parts) => Buffer.concat(parts));

describe("whatever the bytes", () => {
  test("they come back, from a string that is theirs alone", () => {
    fc.assert(
      fc.property(bytesArbitrary, (bytes) => {
        const name = decodeName(bytes);
        expect(encodeName(name)).toEqual(bytes);
        expect(byteLength(name)).toBe(bytes.length);
        expect(isNameText(name)).toBe(true);
        expect(hasOddBytes(name)).toBe(!isUtf8(bytes));
        expect(name).toBe(isUtf8(bytes) ? bytes.toString("utf8") : name);
        expect(Buffer.from(showOddBytes(name)).toString()).toBe(showOddBytes(name));
      }),
      { numRuns: 3000 },
    );
  });

  test("of paths with a slash between, each is what it is alone", () => {
    fc.assert(
      fc.property(bytesArbitrary, bytesArbitrary, (a, b) => {
        const whole = Buffer.concat([a, Buffer.from("/"), b]);
        expect(decodeName(whole)).toBe(`${decodeName(a)}/${decodeName(b)}`);
      }),
    );
  });

  testUnless(lacksProgram("python3"))("the strings are those of Python", () => {
    const samples = fc.sample(bytesArbitrary, { numRuns: 500, seed: 1 });
    const script = [
      "import json, sys",
      "print(json.dumps([bytes.fromhex(one).decode('utf-8', 'surrogateescape') for one in json.load(sys.stdin)]))",
    ];
    const input = JSON.stringify(samples.map((bytes) => bytes.toString("hex")));
    const python = execFileSync("python3", ["-c", script.join("\n")], { input, encoding: "utf8" });
    expect(samples.map(decodeName)).toEqual(JSON.parse(python));
  });
});

test.each(["\ud800", "a\udc00", "\udc7f", "\udd00", "\udcc3\udca9", "\udcff\ud83d"])(
  "%j is no name's string",
  (text) => {
    expect(isNameText(text)).toBe(false);
  },
);

test("for people, such bytes are escaped and nothing else", () => {
  expect(showOddBytes("caf\udce9 é \u{1f480} \udc80\n")).toBe("caf\\xe9 é \u{1f480} \\x80\n");
});
