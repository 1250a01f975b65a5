import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { fileKind } from "../../src/images/file-kind.ts";
import { encodeHeader, TypeFlag } from "../../src/packages/tar/layout.ts";
import { failureOf, temporaryFolder } from "../packages/support.ts";
import { bootableDisk } from "../store/support.ts";
import { describeUnless, lacksProgram } from "../support/machine.ts";

const header = (name: string) => encodeHeader({ type: TypeFlag.file, name, mode: 0o644, size: 0, mtime: 0 });
const runnable = { isRunnable: true };
const cases: readonly (readonly [string, Uint8Array | string, object])[] = [
  ["a bootable raw disk", bootableDisk(1 << 20), { ...runnable, name: "RAW", isDisk: true }],
  ["a raw disk that does not boot", Buffer.alloc(1 << 20), { name: "", isDisk: false, isRunnable: false }],
  ["a text", "hello", { name: "", isRunnable: false }],
  ["nothing", "", { name: "", isRunnable: false }],
  ["a kernel", "\x7fELF…", { ...runnable, isDisk: false, isElf: true }],
  ["an OVA", header("a.ovf"), { ...runnable, name: "OVA", isArchive: true }],
  ["another tar", header("a.txt"), { name: "tar", isRunnable: false, isArchive: true }],
  ["Google's tarball", gzipSync(header("disk.raw")), { ...runnable, name: "GCE tarball", isArchive: true }],
  ["a package", gzipSync(header("meta/package.yaml")), { name: "a package", isRunnable: false }],
  ["VHDX", Buffer.from("vhdxfile"), { name: expect.stringContaining("VHDX"), isRunnable: false, isDisk: false }],
  ["a jar", "PK\x03\x04", { name: "zip", isRunnable: false }],
  ["damaged gzip", Buffer.from([0x1f, 0x8b, 8, 0, 1, 2, 3]), { name: "gzip", isRunnable: false }],
];

test.each(cases)("%s", (_, content, expected) => {
  const path = join(temporaryFolder(), "file");
  writeFileSync(path, content);
  expect(fileKind(path)).toMatchObject(expected);
});

describeUnless(lacksProgram("qemu-img"))("formats by their content, whatever the name", () => {
  test.each([
    ["qcow2", "QCOW2"],
    ["vmdk", "VMDK"],
    ["vdi", "VDI"],
    ["vpc", "VHD"],
  ])("%s", (format, name) => {
    const path = join(temporaryFolder(), "disk.txt");
    execFileSync("qemu-img", ["create", "-q", "-f", format, path, "4M"]);
    expect(fileKind(path)).toMatchObject({ name, isDisk: true, isRunnable: true });
  });
});

describe("what is no file", () => {
  test("a folder", async () => {
    expect((await failureOf(() => fileKind(temporaryFolder()))).code).toBe("not-a-file");
  });

  test("a FIFO is not waited for", async () => {
    const path = join(temporaryFolder(), "fifo");
    execFileSync("mkfifo", [path]);
    expect((await failureOf(() => fileKind(path))).code).toBe("not-a-file");
  });
});
