import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DiskFile } from "../../src/disks/disk-file.ts";
import { rawDevice } from "../../src/disks/raw.ts";
import { writeGceTarball } from "../../src/exports/gce.ts";
import { unpackDisk } from "../../src/exports/unpack.ts";
import { encodeHeader, encodeSparseHeader, TypeFlag } from "../../src/packages/tar/layout.ts";
import { failureOf, temporaryFolder } from "../packages/support.ts";
import { describeUnless, lacksProgram } from "../support/machine.ts";

const options = { limit: 2 ** 32 };
const file = (name: string, size: number) => encodeHeader({ type: TypeFlag.file, name, mode: 0o644, size, mtime: 0 });
const block = (text: string) => Buffer.concat([Buffer.from(text), Buffer.alloc(512 - text.length)]);

async function unpack(...parts: readonly Uint8Array[]): Promise<Buffer> {
  const folder = temporaryFolder();
  writeFileSync(join(folder, "a.tar"), Buffer.concat(parts));
  await unpackDisk(join(folder, "a.tar"), join(folder, "disk"), options);
  return readFileSync(join(folder, "disk"));
}

test("the disk comes out of an archive, whatever lies before it", async () => {
  const disk = await unpack(file("a.ovf", 5), block("<ovf>"), file("a-disk1.vmdk", 4), block("VMDK"));
  expect(disk.toString()).toBe("VMDK");
});

test("what was packed for Google comes out as it was, grown to whole GiB, with its holes", async () => {
  const folder = temporaryFolder();
  const content = Buffer.alloc(9_000_000);
  content.fill("start", 0, 70_000);
  content.fill("later", 6_000_000, 6_200_000);
  writeFileSync(join(folder, "disk"), content);
  const device = rawDevice(DiskFile.open(join(folder, "disk")));
  await writeGceTarball(device, join(folder, "a.tar.gz"), { mtime: 0 });
  device.close();
  await unpackDisk(join(folder, "a.tar.gz"), join(folder, "out"), options);
  const { size, blocks } = statSync(join(folder, "out"));
  expect(size).toBe(2 ** 30);
  expect(blocks * 512).toBeLessThan(2_000_000);
  const start = Buffer.alloc(content.length);
  const out = rawDevice(DiskFile.open(join(folder, "out")));
  out.read(start, 0);
  out.close();
  expect(start.equals(content)).toBe(true);
});

describeUnless(lacksProgram("tar"))("as GNU tar writes it", () => {
  test("with more holes than one header holds", async () => {
    const folder = temporaryFolder();
    const content = Buffer.alloc(40 * 65_536);
    for (let at = 0; at < content.length; at += 2 * 65_536) content.write(`at ${at}`, at);
    writeFileSync(join(folder, "plain"), content);
    execFileSync("cp", ["--sparse=always", "plain", "disk.raw"], { cwd: folder });
    execFileSync("tar", ["--format=oldgnu", "-Sczf", "a.tar.gz", "disk.raw"], { cwd: folder });
    await unpackDisk(join(folder, "a.tar.gz"), join(folder, "out"), options);
    expect(readFileSync(join(folder, "out")).equals(content)).toBe(true);
  });
});

describe("hostile", () => {
  const sparse = (size: number, runs: readonly { offset: number; length: number }[]) =>
    encodeSparseHeader({ name: "disk.raw", mode: 0o644, mtime: 0 }, { size, runs });
  const cases: readonly (readonly [string, readonly Uint8Array[], string])[] = [
    ["nothing", [], "no-disk-in-archive"],
    ["no disk", [file("a.txt", 3), block("abc")], "no-disk-in-archive"],
    ["a text", [block("hello")], "archive-damaged"],
    ["cut off", [file("disk.raw", 5000), block("x")], "archive-damaged"],
    [
      "runs that overlap",
      [
        sparse(4096, [
          { offset: 0, length: 1024 },
          { offset: 512, length: 512 },
        ]),
      ],
      "archive-damaged",
    ],
    ["runs beyond the end", [sparse(4096, [{ offset: 4096, length: 512 }])], "archive-damaged"],
    ["a disk of a million TiB", [sparse(2 ** 52, [{ offset: 0, length: 512 }]), block("x")], "archive-damaged"],
  ];

  test.each(cases)("%s", async (_, parts, code) => {
    expect((await failureOf(() => unpack(...parts))).code).toBe(code);
  });

  test("a disk that is cut off leaves no file behind", async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "a.tar"), Buffer.concat([file("disk.raw", 5000), block("x")]));
    await failureOf(() => unpackDisk(join(folder, "a.tar"), join(folder, "out"), options));
    expect(existsSync(join(folder, "out"))).toBe(false);
  });

  test("more than the limit", async () => {
    const folder = temporaryFolder();
    const path = join(folder, "a.tar.gz");
    writeFileSync(path, gzipSync(Buffer.concat([file("disk.raw", 8_000_000), Buffer.alloc(8_000_000)])));
    const error = await failureOf(() => unpackDisk(path, join(folder, "out"), { limit: 1_000_000 }));
    expect(error.code).toBe("archive-too-large");
  });

  test("any bytes end in an error, and never in a disk that was not there", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 2000 }), async (bytes) => {
        const folder = temporaryFolder();
        writeFileSync(join(folder, "a"), bytes);
        await failureOf(() => unpackDisk(join(folder, "a"), join(folder, "out"), options));
        expect(existsSync(join(folder, "out"))).toBe(false);
      }),
      { numRuns: 50 },
    );
  });
});
