import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, describe, expect, test } from "vitest";
import { writeGceTarball } from "../../src/exports/gce.ts";
import { expectBytes, MemoryDisk, noise } from "../disks/support.ts";

const folder = mkdtempSync(join(tmpdir(), "capstan-gce-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let count = 0;

const GiB = 2 ** 30;

/** Data in `runs` places, zeros between them. */
function scattered(runs: number): Buffer {
  const content = Buffer.alloc(runs * 200_000 + 1000);
  for (let run = 0; run < runs; run++) noise(70_000, run + 1).copy(content, run * 200_000);
  noise(500).copy(content, content.length - 500);
  return content;
}

async function exported(content: Buffer): Promise<string> {
  const path = join(folder, `${count++}.tar.gz`);
  await writeGceTarball(new MemoryDisk(content), path, { mtime: 1_700_000_000 });
  return path;
}

describe("the tarball for Google Compute Engine", () => {
  // 4 runs fit the header, 25 the first further block; beyond that blocks follow blocks.
  test.each([0, 1, 3, 4, 5, 24, 25, 26, 60])("of a disk with %i runs is what tar unpacks", async (runs) => {
    const content = scattered(runs);
    const path = await exported(content);
    const into = mkdtempSync(join(folder, "into-"));
    execFileSync("tar", ["-xzf", path, "-C", into]);
    const disk = join(into, "disk.raw");
    const { size, blocks, mtimeMs } = statSync(disk);
    expect(size).toBe(GiB);
    expect(mtimeMs).toBe(1_700_000_000_000);
    expect(blocks * 512).toBeLessThan(content.length + (1 << 20));
    const start = Buffer.alloc(content.length + 4096);
    content.copy(start);
    expectBytes(readFileSync(disk).subarray(0, start.length), start);
    rmSync(into, { recursive: true });
  });

  test("is in GNU's old format", async () => {
    const header = gunzipSync(readFileSync(await exported(scattered(2))));
    expect(header.toString("latin1", 257, 265)).toBe("ustar  \0");
    expect(header.toString("latin1", 0, 8)).toBe("disk.raw");
  });

  test("has a disk of whole GiB", async () => {
    const disk = new MemoryDisk(Buffer.alloc(0));
    const large = {
      size: 9 * GiB + 1,
      read: (target: Uint8Array) => target.fill(0),
      zeroRun: (_at: number, limit: number) => limit,
    };
    for (const [device, size] of [
      [disk, GiB],
      [large, 10 * GiB],
    ] as const) {
      const path = join(folder, `${count++}.tar.gz`);
      await writeGceTarball(device, path, { mtime: 0 });
      expect(execFileSync("tar", ["-tvzf", path], { encoding: "utf8" })).toContain(` ${size} `);
    }
  });

  test("never overwrites a file, and leaves none behind when it is ended", async () => {
    const path = join(folder, "there.tar.gz");
    writeFileSync(path, "mine");
    await expect(writeGceTarball(new MemoryDisk(noise(10)), path, { mtime: 0 })).rejects.toThrow();
    expect(readFileSync(path, "utf8")).toBe("mine");
    const ended = join(folder, "ended.tar.gz");
    const signal = AbortSignal.abort();
    await expect(writeGceTarball(new MemoryDisk(noise(10)), ended, { mtime: 0, signal })).rejects.toThrow();
    expect(() => statSync(ended)).toThrow();
  });
});
