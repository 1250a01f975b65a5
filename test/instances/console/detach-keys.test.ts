import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DetachKeys, parseDetachKeys, showDetachKeys } from "../../../src/instances/console/detach-keys.ts";

describe("the keys' text", () => {
  test.each([
    ["ctrl-p,ctrl-q", [16, 17], "Ctrl-P Ctrl-Q"],
    ["CTRL-A,d", [1, 100], "Ctrl-A d"],
    ["ctrl-@", [0], "Ctrl-@"],
    ["ctrl-[", [27], "Ctrl-["],
    ["ctrl-],ctrl-\\,ctrl-^,ctrl-_", [29, 28, 30, 31], "Ctrl-] Ctrl-\\ Ctrl-^ Ctrl-_"],
  ])("%s", (text, bytes, shown) => {
    expect([...parseDetachKeys(text)]).toEqual(bytes);
    expect(showDetachKeys(text)).toBe(shown);
  });

  test.each(["", ",", "a,", "ctrl-", "ctrl-ab", "ctrl-1", "alt-a", "é", "ab"])("'%s' is refused", (text) => {
    expect(() => parseDetachKeys(text)).toThrow(expect.objectContaining({ code: "bad-detach-keys", exitCode: 64 }));
  });
});

describe("what is typed", () => {
  function type(keys: string, ...parts: readonly string[]) {
    const filter = new DetachKeys(Buffer.from(keys));
    const passed = parts.map((part) => filter.push(Buffer.from(part)).toString()).join("");
    return [passed, filter.detached];
  }

  test.each([
    [["hello"], "hello", false],
    [["pq"], "", true],
    [["p", "q"], "", true],
    [["abpqcd"], "ab", true],
    [["p"], "", false],
    [["px"], "px", false],
    [["p", "x"], "px", false],
    [["ppq"], "p", true],
    [["pp", "pq"], "pp", true],
    [["qp", "q"], "q", true],
    [["pq", "more"], "", true],
  ] as const)("with the keys pq: %j", (parts, passed, detached) => {
    expect(type("pq", ...parts)).toEqual([passed, detached]);
  });

  test("one key", () => {
    expect(type("x", "abxc")).toEqual(["ab", true]);
  });

  test("any keys and parts: what stands before them passes, in whatever parts it comes", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 12 });
    const keys = fc.string({ unit: fc.constantFrom("a", "b"), minLength: 1, maxLength: 4 });
    void fc.assert(
      fc.property(keys, fc.array(text), (wanted, parts) => {
        const [passed, detached] = type(wanted, ...parts);
        const all = parts.join("");
        const at = all.indexOf(wanted);
        expect(detached).toBe(at !== -1);
        if (at !== -1) expect(passed).toBe(all.slice(0, at));
        else {
          // Only a beginning of the keys is held back.
          expect(all.startsWith(String(passed))).toBe(true);
          expect(wanted.startsWith(all.slice(String(passed).length))).toBe(true);
        }
      }),
    );
  });
});
