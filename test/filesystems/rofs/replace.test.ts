import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BLOCK_SIZE } from "../../../src/filesystems/rofs/layout.ts";
import { openRofs } from "../../../src/filesystems/rofs/reader.ts";
import { findReplaceable } from "../../../src/filesystems/rofs/replace.ts";
import { planRofs, writeRofs } from "../../../src/filesystems/rofs/writer.ts";
import { MemoryDevice } from "../../support/memory-device.ts";
import { type SketchFolder, tree } from "../trees.ts";

const SKETCH = {
  etc: { hosts: "127.0.0.1 localhost\n", "hosts.allow": "x", empty: "", link: ["hosts"] },
  hosts: "another one",
  lib: { "a.so": "a".repeat(3000) },
} as const satisfies SketchFolder;

/** A ROFS with `spare` bytes behind it. */
async function disk(spare = 4096): Promise<{ device: MemoryDevice; end: number }> {
  const plan = planRofs(tree(SKETCH));
  const device = new MemoryDevice(plan.size + spare);
  await writeRofs(plan, device);
  return { device, end: plan.size };
}

function content(device: MemoryDevice, path: string): string | undefined {
  const file = findReplaceable(device, path);
  return file && Buffer.from(device.bytes.subarray(file.offset, file.offset + file.size)).toString();
}

describe("a file is found", () => {
  test.each([
    ["/etc/hosts", "127.0.0.1 localhost\n"],
    ["etc/hosts", "127.0.0.1 localhost\n"],
    ["/hosts", "another one"],
    ["/etc/empty", ""],
    ["/etc", undefined],
    ["/", undefined],
    ["/etc/link", undefined],
    ["/etc/host", undefined],
    ["/etc/hosts/x", undefined],
    ["/lib/etc/hosts", undefined],
  ])("%s: %j", async (path, expected) => {
    expect(content((await disk()).device, path)).toBe(expected);
  });
});

test.each(["127.0.0.1 localhost\n10.128.0.5 web\n", "", "x".repeat(3000), "y".repeat(512)])(
  "another content is read back, and nothing else changes",
  async (text) => {
    const { device, end } = await disk();
    const before = Buffer.from(device.bytes);
    const file = findReplaceable(device, "/etc/hosts");
    expect(file?.isReplaced).toBe(false);
    file?.replace(Buffer.from(text), end);
    expect(content(device, "/etc/hosts")).toBe(text);
    expect(findReplaceable(device, "/etc/hosts")?.isReplaced).toBe(text !== "");
    expect(content(device, "/hosts")).toBe("another one");
    // The inode alone, and whole blocks behind the end.
    const changed = [...before].flatMap((byte, at) => (byte === device.bytes[at] ? [] : [at])).filter((at) => at < end);
    expect(Math.max(...changed) - Math.min(...changed)).toBeLessThan(32);
    const blocks = Math.ceil(text.length / BLOCK_SIZE) * BLOCK_SIZE;
    expect(device.bytes.subarray(end + blocks).every((byte) => byte === 0xaa)).toBe(true);
    expect(Buffer.from(device.bytes.subarray(end + text.length, end + blocks)).every((byte) => byte === 0)).toBe(true);
  },
);

test("it can be replaced again, in the same place", async () => {
  const { device, end } = await disk();
  findReplaceable(device, "/etc/hosts")?.replace(Buffer.from("first, and longer\n"), end);
  const again = findReplaceable(device, "/etc/hosts");
  again?.replace(Buffer.from("second\n"), again.offset);
  expect(content(device, "/etc/hosts")).toBe("second\n");
});

test("no start within a block", async () => {
  const { device, end } = await disk();
  expect(() => findReplaceable(device, "/etc/hosts")?.replace(Buffer.from("x"), end + 1)).toThrow(RangeError);
});

test("what is written is sound for the reader as long as the tables come last", async () => {
  const { device } = await disk();
  const file = findReplaceable(device, "/etc/hosts");
  file?.replace(Buffer.from("::1 six\n"), file.offset);
  expect(Buffer.concat([...openRofs(device).readFile("/etc/hosts")]).toString()).toBe("::1 six\n");
});

test("damage of any kind gives a file or none, and never an error or a walk without an end", async () => {
  const { device } = await disk();
  const whole = Buffer.from(device.bytes);
  const changes = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 12 });
  const tables = fc.nat(600).map((back) => whole.length - 4096 - 1 - back);
  fc.assert(
    fc.property(changes, fc.array(fc.tuple(tables, fc.nat(255)), { maxLength: 12 }), fc.nat(64), (any, late, head) => {
      const copy = Buffer.from(whole);
      for (const [at, value] of [...any, ...late]) copy[at] = value;
      if (head < 64) copy[head] = (copy[head] ?? 0) ^ 0xff;
      const file = findReplaceable(new MemoryDevice(copy), "/etc/hosts");
      if (file !== undefined) expect(file.offset + file.size).toBeLessThanOrEqual(copy.length);
    }),
    { numRuns: 1000 },
  );
});
