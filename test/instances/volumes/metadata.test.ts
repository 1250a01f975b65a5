import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { diskFormats } from "../../../src/hypervisors/machine.ts";
import { formatMetadata, metadataPath, readMetadata } from "../../../src/instances/volumes/metadata.ts";
import { temporaryFolder } from "../../hypervisors/tiny-guest.ts";

const folder = temporaryFolder();
const volume = join(folder, "v");

function read(text: string | Uint8Array) {
  writeFileSync(metadataPath(volume), text);
  return readMetadata(volume);
}

test.each([
  ["as the original writes it", "format: raw\n", { format: "raw" }],
  ["without a line end", "format: qcow2", { format: "qcow2" }],
  ["in quotes", 'format: "vdi"\n', { format: "vdi" }],
  ["in single quotes, with a comment", "format: 'vmdk' # of another tool\n", { format: "vmdk" }],
  ["with the line ends of Windows", "a: b\r\nformat: raw\r\n", { format: "raw" }],
  ["with what we add", "format: raw\nfs: rofs\n", { format: "raw", fs: "rofs" }],
  ["among keys of others", "size: 1G\nformat: raw\nowner: me\n", { format: "raw" }],
])("%s", (_title, text, expected) => {
  expect(read(text)).toEqual({ metadata: expected });
});

test.each([
  ["an empty file", ""],
  ["a nested key", "disk:\n  format: raw\n"],
  ["another key that ends so", "xformat: raw\n"],
  ["no value", "format:\nfs: rofs\n"],
  ["an empty value", "format: ''\n"],
  ["bytes", new Uint8Array([0, 255, 254, 10, 13])],
])("%s says nothing", (_title, text) => {
  expect(read(text)).toEqual({ metadata: undefined });
});

test("a format that nobody knows is told, not passed over", () => {
  expect(read("format: qcow3\n")).toEqual({ problem: `${metadataPath(volume)} says that its format is 'qcow3'` });
});

test("what we write is read back", () => {
  const fs = fc.option(fc.constantFrom("rofs", "zfs"), { nil: undefined });
  fc.assert(
    fc.property(fc.constantFrom(...diskFormats), fs, (format, fs) => {
      expect(read(formatMetadata({ format, fs }))).toEqual({ metadata: { format, fs } });
    }),
    { numRuns: 30 },
  );
});

test("anything at all is read without a crash", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2000 }), (bytes) => {
      read(Buffer.concat([Buffer.from("format: "), bytes]));
    }),
    { numRuns: 200 },
  );
});

describe("what is in the place of a description", () => {
  test.each([
    ["nothing", () => {}],
    ["a folder", (path: string) => mkdirSync(path)],
    ["a link to itself", (path: string) => symlinkSync(path, path)],
    ["a pipe that nobody writes", (path: string) => execFileSync("mkfifo", [path])],
  ])("%s", (title, make) => {
    const path = join(folder, title.replaceAll(" ", "-"));
    make(metadataPath(path));
    expect(readMetadata(path)).toEqual({ metadata: undefined });
  });
});
