import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseEnvFile } from "../../src/services/env-file.ts";
import { CapstanError } from "../../src/support/errors.ts";

const read = (text: string, env: Record<string, string> = {}) => Object.fromEntries(parseEnvFile(text, "x.env", env));

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
