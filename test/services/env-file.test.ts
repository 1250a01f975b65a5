import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseEnvFile } from "../../src/services/env-file.ts";
import { CapstanError } from "../../src/support/errors.ts";

const read = (text: string, env: Record<string, string> = {}) => Object.fromEntries(parseEnvFile(text, "x.env", env));

const numbered = (count: number) => Array.from({ length: count }, (_, index) => `A${index}=1`).join("\n");
const doubling = (count: number) =>
  [`A0=${"x".repeat(32)}`, ...Array.from({ length: count }, (_, i) => `A${i + 1}=$A${i}$A${i}`)].join("\n");

describe("a file of variables", () => {
  test.each([
    ["A=b", { A: "b" }],
    ["  A = b c  ", { A: "b c" }],
    ["export A=b", { A: "b" }],
    ["# A=b\n\n\r\nB=c\r\n", { B: "c" }],
    ["A=b # c", { A: "b" }],
    ["A=b#c", { A: "b#c" }],
    ["A= # c", { A: "" }],
    ["A='b # $C'", { A: "b # $C" }],
    ['A="b # c" # d', { A: "b # c" }],
    ['A="b\\n\\t\\"\\\\c"', { A: 'b\n\t"\\c' }],
    ["A=b=c", { A: "b=c" }],
    [`A=$HOST-\${NONE:-x}$$`, { A: "here-x$" }],
    ['A="\\$HOST $HOST"', { A: "$HOST here" }],
    ["A=1\nB=$A", { A: "1", B: "1" }],
    ["HOST\nNONE", { HOST: "here" }],
    ["A=1\nA=2", { A: "2" }],
  ])("%j", (text, expected) => {
    expect(read(text, { HOST: "here" })).toEqual(expected);
  });

  test.each([
    ["A=1\n1A=b", "x.env:2: '1A' cannot be the name of a variable"],
    ["two words", "x.env:1: '' cannot be the name of a variable"],
    ["=x", "x.env:1: '' cannot"],
    ["A='b", "x.env:1: a quote is not closed"],
    ["A='b' c", "something stands behind it"],
    [`A=\${B?no B}`, "x.env:1: the variable B is not set: no B"],
  ])("is refused with the line: %j", (text, expected) => {
    expect(() => read(text)).toThrow(expected);
  });

  test.each<[string, string, string]>([
    ["each line twice the one before", doubling(40), "x.env:14: the value would be longer than 128 KiB"],
    ["a long variable many times", `A=${"x".repeat(60_000)}\nB=${"$A".repeat(20_000)}`, "x.env:2: the value would be"],
    [
      "many long values",
      `A=${"x".repeat(60_000)}\n${"B=$A\n".repeat(20_000)}`,
      "the values of the file would be longer",
    ],
  ])("does not grow without bounds: %s", (_, text, expected) => {
    expect(() => read(text)).toThrow(expected);
  });

  test.each<[string, string, string | number]>([
    ["many variables", numbered(60_000), 60_000],
    ["blanks before a separator of lines", `A=${" ".repeat(500_000)}x\u2028x`, "x\u2028x"],
    ["comments before a separator of lines", `A=b${" #".repeat(400_000)}\u2028x`, "b"],
    ["escapes in quotes that are closed late", `A="${"\\x".repeat(400_000)}"`, "\\x".repeat(400_000)],
  ])("of the largest size is read in time: %s", (_, text, expected) => {
    const found = parseEnvFile(text, "x.env", {});
    expect(typeof expected === "number" ? found.size : found.get("A")).toBe(expected);
  });

  test("knows no names that nobody wrote", () => {
    expect(read(`A=$constructor\${toString:-x}$__proto__\nconstructor\n__proto__=1\nB=$__proto__`)).toEqual(
      Object.fromEntries([
        ["A", "x"],
        ["__proto__", "1"],
        ["B", "1"],
      ]),
    );
  });

  test("any value in single quotes comes as it is", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[^'\n\r]*$/), (value) => {
        expect(read(`A='${value}'`)).toEqual({ A: value });
      }),
    );
  });

  test("any text is read or refused", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          read(text);
        } catch (error) {
          expect(error).toBeInstanceOf(CapstanError);
        }
      }),
    );
  });
});
