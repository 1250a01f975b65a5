import { expect, test } from "vitest";
import { parseCpus, parseMemory } from "../../src/instances/sizes.ts";
import { GiB, MiB } from "../../src/support/bytes.ts";

test.each([
  ["1G", GiB],
  ["512M", 512 * MiB],
  ["1024", GiB],
  ["1.5g", 1536 * MiB],
  ["2GiB", 2 * GiB],
  ["2 GB", 2 * GiB],
  ["65536K", 64 * MiB],
  ["16M", 16 * MiB],
  ["1T", 1024 * GiB],
  ["20000.5K", 20 * MiB],
])("memory %s", (text, bytes) => {
  expect(parseMemory(text)).toBe(bytes);
});

test.each(["", "G", "-1G", "1X", "1GG", "abc10G", "1,5G", "0", "15M", "2T", "1e3", "0x10", "999999999999G"])(
  "memory '%s' is an error",
  (text) => {
    expect(() => parseMemory(text)).toThrow(expect.objectContaining({ code: "bad-memory", exitCode: 64 }));
  },
);

test.each([
  ["1", 1],
  ["2", 2],
  ["64", 64],
] as const)("%s processors", (text, count) => {
  expect(parseCpus(text)).toBe(count);
});

test.each(["", "0", "-1", "65", "1.5", "two", "0x2"])("'%s' processors are an error", (text) => {
  expect(() => parseCpus(text)).toThrow(expect.objectContaining({ code: "bad-cpus", exitCode: 64 }));
});
