import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openDisk, probeFormat } from "../../src/disks/probe.ts";
import { capstanErrorOf, EDGE_SIZES, expectBytes, noise, qemuImg, readAll, temporaryFolder } from "./support.ts";

const folder = temporaryFolder();

test.each([
  ["raw", [], "raw"],
  ["qcow2", [], "qcow2"],
  ["qcow2", ["-o", "compat=0.10"], "qcow2"],
  ["vmdk", [], "vmdk"],
  ["vmdk", ["-o", "subformat=streamOptimized"], "vmdk"],
  ["vmdk", ["-o", "subformat=monolithicFlat"], "vmdk"],
  ["vdi", [], "vdi"],
  ["vpc", [], "vpc"],
  ["vpc", ["-o", "subformat=fixed"], "vpc"],
])("what qemu-img makes as %s %j is told as such", (format, options, expected) => {
  const raw = join(folder, "source.raw");
  writeFileSync(raw, noise(2 << 20));
  const path = join(folder, `probe-${format}-${options.length}-${options[1]?.length ?? 0}`);
  qemuImg("convert", "-f", "raw", "-O", format, ...options, raw, path);
  expect(probeFormat(path)).toBe(expected);
});

test.each(EDGE_SIZES)("a file of %d bytes without any magic is raw", (size) => {
  const path = join(folder, `raw-${size}`);
  writeFileSync(path, noise(size));
  const disk = openDisk(path);
  expect(disk.format).toBe("raw");
  expectBytes(readAll(disk.device), noise(size));
  disk.close();
});

test.each(["monolithicFlat", "twoGbMaxExtentSparse"])(
  "a vmdk in parts (%s) is refused with the command that joins it",
  (kind) => {
    const path = join(folder, `${kind}.vmdk`);
    qemuImg("create", "-f", "vmdk", "-o", `subformat=${kind}`, path, "1M");
    const error = capstanErrorOf(() => openDisk(path));
    expect(error.code).toBe("vmdk-unsupported");
    expect(error.message).toContain(path);
    expect(error.hint).toContain(`qemu-img convert -O vmdk ${path}`);
  },
);

test("what is missing, or no file, is told as such, and a FIFO does not block", () => {
  expect(capstanErrorOf(() => openDisk(join(folder, "none"))).code).toBe("os-enoent");
  mkdirSync(join(folder, "dir"));
  expect(capstanErrorOf(() => openDisk(join(folder, "dir"))).code).toBe("not-a-file");
  execFileSync("mkfifo", [join(folder, "fifo")]);
  expect(capstanErrorOf(() => openDisk(join(folder, "fifo"))).code).toBe("not-a-file");
});

test("closing twice is harmless", () => {
  const path = join(folder, "twice");
  writeFileSync(path, "x");
  const disk = openDisk(path);
  disk.close();
  disk.close();
});
