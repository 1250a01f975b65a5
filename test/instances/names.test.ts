import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { expect, test } from "vitest";
import { checkInstanceName, instanceNameOfImage } from "../../src/instances/names.ts";
import { shellQuote } from "../../src/instances/shell-quote.ts";

test.each(["a", "hello-2", "v1.0_x", "Größe", "a b", "a@b+c"])("'%s' can be an instance's name", (name) => {
  expect(checkInstanceName(name)).toBe(name);
});

test.each(["", ".", "..", ".hidden", "-x", "a/b", "../x", "a\0b", "a\nb", "a,b", "x".repeat(101), "ü".repeat(51)])(
  "%j cannot",
  (name) => {
    expect(() => checkInstanceName(name)).toThrow(expect.objectContaining({ code: "bad-instance-name", exitCode: 64 }));
  },
);

test("an image with a namespace gives a name without a slash", () => {
  expect(instanceNameOfImage("team/app")).toBe("team-app");
  expect(() => instanceNameOfImage("../x")).toThrow(expect.objectContaining({ code: "bad-instance-name" }));
});

test("a quoted command is read back by a shell", () => {
  const word = fc.string().map((text) => text.replaceAll("\0", ""));
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 5 }), (words) => {
      const output = execFileSync("sh", ["-c", `printf '%s\\0' ${shellQuote(words)}`], { encoding: "utf8" });
      expect(output).toBe(words.map((one) => `${Buffer.from(one).toString("utf8")}\0`).join(""));
    }),
    { numRuns: 30 },
  );
});
