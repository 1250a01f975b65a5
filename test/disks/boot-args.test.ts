import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { getBootArgs, MAX_BOOT_ARGS, setBootArgs } from "../../src/disks/boot-args.ts";
import { openDisk } from "../../src/disks/probe.ts";
import { createQcow2 } from "../../src/disks/qcow2/writer.ts";
import { CapstanError } from "../../src/support/errors.ts";
import { capstanErrorOf, MemoryDisk, noise, temporaryFolder } from "./support.ts";

const folder = temporaryFolder();

function bootDisk(text = ""): MemoryDisk {
  const bytes = noise(70_000);
  bytes.fill(0, 512, 65536);
  bytes.write(text, 512);
  return new MemoryDisk(bytes);
}

describe("the boot command line", () => {
  test("is read back as it was set, whatever was there before", () => {
    const text = fc.string({ unit: "binary", maxLength: 8000 }).filter((it) => !it.includes("\0"));
    fc.assert(
      fc.property(text, text, (before, after) => {
        const disk = bootDisk(before);
        expect(getBootArgs(disk)).toBe(before);
        setBootArgs(disk, after);
        expect(getBootArgs(disk)).toBe(after);
      }),
    );
  });

  test("leaves nothing of a longer one behind, and does not touch the boot sector and the kernel", () => {
    const disk = bootDisk("x".repeat(5000));
    setBootArgs(disk, "--nomount /hello");
    const expected = bootDisk("--nomount /hello");
    expect(disk.bytes.equals(expected.bytes)).toBe(true);
  });

  test("replaces text that has no end without touching the kernel", () => {
    const disk = bootDisk();
    disk.bytes.fill(0x41, 512, 70_000);
    expect(capstanErrorOf(() => getBootArgs(disk)).code).toBe("boot-args-missing");
    setBootArgs(disk, "");
    expect(disk.bytes.subarray(512, 65536).equals(Buffer.alloc(65024))).toBe(true);
    expect(disk.bytes.subarray(65536).equals(Buffer.alloc(70_000 - 65536, 0x41))).toBe(true);
  });

  test.each([
    ["as long as can be", "a".repeat(MAX_BOOT_ARGS)],
    ["as long as can be, of two bytes a letter", "ä".repeat(MAX_BOOT_ARGS / 2)],
  ])("%s", (_, text) => {
    const disk = bootDisk();
    setBootArgs(disk, text);
    expect(getBootArgs(disk)).toBe(text);
  });

  test.each([
    ["one byte too long", "a".repeat(MAX_BOOT_ARGS + 1), "32201", "32200"],
    ["too long in bytes, not in letters", "ä".repeat(16_101), "32202", "32200"],
  ])("%s names both lengths", (_, text, length, limit) => {
    const disk = bootDisk("old");
    const error = capstanErrorOf(() => setBootArgs(disk, text));
    expect(error.code).toBe("boot-args-too-long");
    expect(error.message).toContain(length);
    expect(error.message).toContain(limit);
    expect(getBootArgs(disk)).toBe("old");
  });

  test.each([
    ["NUL", "a\0b"],
    ["half of a pair", "a\ud800b"],
    ["the other half", "a\udc00b"],
  ])("with %s is refused", (_, text) => {
    expect(capstanErrorOf(() => setBootArgs(bootDisk(), text)).code).toBe("boot-args-not-text");
  });

  test("that is no UTF-8 is an error, not other text", () => {
    const disk = bootDisk();
    disk.bytes.set([0x61, 0xff, 0x62], 512);
    expect(capstanErrorOf(() => getBootArgs(disk)).code).toBe("boot-args-missing");
  });

  test.each([0, 1, 512])("of a disk of %d bytes is an error", (size) => {
    expect(capstanErrorOf(() => getBootArgs(new MemoryDisk(Buffer.alloc(size)))).code).toBe("boot-args-missing");
  });

  test("of an overlay is its own, the image below keeps its", () => {
    const base = bootDisk("--base");
    const path = join(folder, "overlay.qcow2");
    mkdirSync(join(folder, "base"));
    writeFileSync(join(folder, "base/disk"), base.bytes);
    const overlay = createQcow2(path, {
      size: base.size,
      backing: { path: "base/disk", format: "raw", device: base },
    });
    setBootArgs(overlay, "--env=A=1 /hello");
    overlay.close();
    const disk = openDisk(path);
    expect(getBootArgs(disk.device)).toBe("--env=A=1 /hello");
    disk.close();
    expect(getBootArgs(base)).toBe("--base");
  });
});

describe("setting it fails loudly", () => {
  test("D16: a disk without room for the command line is an error", () => {
    const error = capstanErrorOf(() => setBootArgs(new MemoryDisk(Buffer.alloc(65535)), "/hello"));
    expect(error.code).toBe("boot-args-no-room");
  });

  test("D16: a command line that did not reach the disk is an error", () => {
    const disk = bootDisk("old");
    disk.write = () => {};
    expect(capstanErrorOf(() => setBootArgs(disk, "/hello")).code).toBe("boot-args-lost");
  });

  test("D16: what the disk refuses comes through", () => {
    const disk = bootDisk("old");
    const refusal = new CapstanError("Writing disk: no space left on the device", { code: "os-enospc" });
    disk.write = () => {
      throw refusal;
    };
    expect(capstanErrorOf(() => setBootArgs(disk, "/hello"))).toBe(refusal);
  });
});
