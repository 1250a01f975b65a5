import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { writeCompressedQcow2 } from "../../../src/disks/qcow2/compressed.ts";
import { expectBytes, judge, MemoryDisk, noise, qemuImg, readImage, temporaryFolder } from "../support.ts";

const folder = temporaryFolder();
let count = 0;
const fresh = (extension = "qcow2") => join(folder, `${count++}.${extension}`);

/** Noise, zeros, and text in turn, so that every kind of cluster is there. */
function mixed(size: number): Buffer {
  const content = noise(size);
  for (let at = 0; at < size; at += 700_000)
    content.fill(at % 3 === 0 ? 0 : `line ${at}\n`, at, Math.min(size, at + 400_000));
  return content;
}

describe("a qcow2 image with compressed clusters", () => {
  test.each([0, 512, 65536, 65536 + 512, 1 << 20, 40 << 20])(
    "of %d bytes is read back, and sound for QEMU",
    async (size) => {
      const path = fresh();
      const content = mixed(size);
      expect(await writeCompressedQcow2(new MemoryDisk(content), path)).toBe(statSync(path).size);
      expectBytes(readImage(path), content);
      judge(path, content);
    },
  );

  test("is about as small as QEMU's", async () => {
    const content = mixed(30 << 20);
    const [ours, theirs, raw] = [fresh(), fresh(), fresh("raw")];
    writeFileSync(raw, content);
    await writeCompressedQcow2(new MemoryDisk(content), ours);
    qemuImg("convert", "-c", "-f", "raw", "-O", "qcow2", raw, theirs);
    expect(statSync(ours).size).toBeLessThan(statSync(theirs).size * 1.02);
    expectBytes(readImage(theirs), content);
  });

  test("is the same each time", async () => {
    const paths = [fresh(), fresh()] as const;
    for (const path of paths) await writeCompressedQcow2(new MemoryDisk(mixed(5 << 20)), path);
    expectBytes(readFileSync(paths[0]), readFileSync(paths[1]));
  });

  test("leaves nothing behind when it is ended", async () => {
    const path = fresh();
    const signal = AbortSignal.abort();
    await expect(writeCompressedQcow2(new MemoryDisk(noise(4 << 20)), path, { signal })).rejects.toThrow();
    expect(() => statSync(path)).toThrow();
  });
});
