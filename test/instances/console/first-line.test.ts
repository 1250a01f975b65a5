import { expect, test } from "vitest";
import { FirstLine } from "../../../src/instances/console/first-line.ts";

/** After which of the chunks the first line was told; -1 for none. */
function tell(chunks: readonly string[], commandLine = "/x"): number {
  let current = 0;
  const told: number[] = [];
  const first = new FirstLine({ commandLine, onFirstLine: () => told.push(current) });
  for (const [index, chunk] of chunks.entries()) {
    current = index;
    first.push(Buffer.from(chunk));
  }
  expect(told.length).toBeLessThanOrEqual(1);
  return told[0] ?? -1;
}

test.each([
  [
    "nothing but the kernel",
    ["OSv v0.57.0\r\neth0: 192.168.122.15\r\n", "Booted up in 0.00 ms\r\nCmdline: /x\r\n"],
    -1,
  ],
  ["OSv", ["OSv v0.57.0\r\nBooted up in 0.00 ms\r\n", "Cmdline: /x\r\n", "hello\r\n", "more\r\n"], 2],
  ["a line in parts", ["Cmdl", "ine: /x\r\nhel", "lo\r", "\n"], 2],
  ["empty lines", ["Cmdline: /x\r\n\r\n \r\n", "hello\n"], 1],
  ["a file of commands", ["Cmdline: /x\nrunscript expand fn='/run' line=1\n", "hello\n"], 1],
  ["a program that echoes like the kernel", ["Cmdline: /x\nCmdline: /x\n", "hello\n"], 1],
  ["another kernel", ["hello\n", "more\n"], -1],
])("%s", (_, chunks, expected) => {
  expect(tell(chunks)).toBe(expected);
});

test("an echo of several lines", () => {
  expect(tell(["Cmdline: /a;\r\n/b\r\n", "said\r\n"], "/a;\n/b")).toBe(1);
});
