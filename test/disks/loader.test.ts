import { join } from "node:path";
import { expect, test } from "vitest";
import { setBootArgs } from "../../src/disks/boot-args.ts";
import { inspectLoader } from "../../src/disks/loader.ts";
import { setRootPartition } from "../../src/disks/mbr.ts";
import { openDisk } from "../../src/disks/probe.ts";
import { createQcow2 } from "../../src/disks/qcow2/writer.ts";
import { capstanErrorOf, MemoryDisk, noise, temporaryFolder } from "./support.ts";

const folder = temporaryFolder();
const KERNEL_UNITS = 3;

function loader(units = KERNEL_UNITS): MemoryDisk {
  const bytes = noise(65536 + units * 32768);
  bytes.fill(0, 0x1be, 65536);
  bytes.writeUInt16LE(units, 0x10);
  bytes.set([0x55, 0xaa], 0x1fe);
  return new MemoryDisk(bytes);
}

function changed(change: (bytes: Buffer) => void): Buffer {
  const { bytes } = loader();
  change(bytes);
  return bytes;
}

test("a loader says its payload, command line and partitions", () => {
  const disk = loader();
  expect(inspectLoader(disk, "l")).toEqual({ payloadSize: 3 * 32768, commandLine: "", partitions: [] });
  setBootArgs(disk, "--nomount /tools/cpiod.so");
  setRootPartition(disk, { start: 65536, size: 512 });
  expect(inspectLoader(disk, "l")).toEqual({
    payloadSize: 3 * 32768,
    commandLine: "--nomount /tools/cpiod.so",
    partitions: [{ number: 2, type: 0x83, start: 65536, size: 512 }],
  });
});

test("a loader in a qcow2 is a loader", () => {
  const path = join(folder, "loader.qcow2");
  const { bytes } = loader();
  const image = createQcow2(path, { size: bytes.length });
  image.write(bytes, 0);
  image.close();
  const disk = openDisk(path);
  expect(inspectLoader(disk.device, path).payloadSize).toBe(3 * 32768);
  disk.close();
});

test("a command line that is no text is none", () => {
  const disk = new MemoryDisk(changed((bytes) => bytes.fill(0xff, 512, 65536)));
  expect(inspectLoader(disk, "l").commandLine).toBeUndefined();
});

const PAGE = "<!DOCTYPE html>\n<html><body>404 Not Found</body></html>";

test.each([
  ["an empty file", Buffer.alloc(0), "loader-empty"],
  ["a web page", Buffer.from(PAGE), "loader-html"],
  ["a web page after blanks", Buffer.from(`\uFEFF\r\n  ${PAGE.toLowerCase()}`), "loader-html"],
  ["an error of a bucket", Buffer.from('<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>'), "loader-html"],
  ["a long web page", Buffer.from(PAGE + " ".repeat(200_000)), "loader-html"],
  ["an ELF kernel", Buffer.concat([Buffer.from("\x7fELF"), noise(200_000)]), "loader-elf"],
  ["a short file", Buffer.from("hello"), "loader-no-signature"],
  ["511 bytes", loader().bytes.subarray(0, 511), "loader-no-signature"],
  ["no 55 AA", changed((bytes) => bytes.fill(0, 0x1fe, 0x200)), "loader-no-signature"],
  ["no kernel", changed((bytes) => bytes.writeUInt16LE(0, 0x10)), "loader-without-kernel"],
  ["the boot sector alone", loader().bytes.subarray(0, 512), "loader-truncated"],
  ["one byte missing", loader().bytes.subarray(0, -1), "loader-truncated"],
  ["a payload of 2 GiB", changed((bytes) => bytes.writeUInt16LE(0xffff, 0x10)), "loader-truncated"],
])("%s is refused with its own error", (_, bytes, code) => {
  const error = capstanErrorOf(() => inspectLoader(new MemoryDisk(bytes), "some/loader"));
  expect(error.code).toBe(code);
  expect(error.message).toContain("some/loader");
  expect(error.hint).toBeTruthy();
});
