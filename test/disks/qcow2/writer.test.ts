import { closeSync, ftruncateSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { openDisk } from "../../../src/disks/probe.ts";
import { createQcow2 } from "../../../src/disks/qcow2/writer.ts";
import { createRaw } from "../../../src/disks/raw.ts";
import {
  capstanErrorOf,
  EDGE_SIZES,
  expectBytes,
  judge,
  MemoryDisk,
  noise,
  qemuImg,
  readAll,
  readImage,
  temporaryFolder,
} from "../support.ts";

const CLUSTER = 65536;
const folder = temporaryFolder();
let count = 0;
const fresh = () => join(folder, `${count++}.qcow2`);

function readPart(path: string, offset: number, length: number): Buffer {
  const disk = openDisk(path);
  const target = Buffer.alloc(length);
  disk.device.read(target, offset);
  disk.close();
  return target;
}

function padded(content: Buffer): Buffer {
  return Buffer.concat([content, Buffer.alloc(-content.length & 511)]);
}

describe("a new disk", () => {
  test.each(EDGE_SIZES)("of %d bytes holds what is written, in whole sectors", (size) => {
    const path = fresh();
    const content = noise(size);
    const disk = createQcow2(path, { size });
    expect(disk.size).toBe(Math.ceil(size / 512) * 512);
    disk.write(content, 0);
    expectBytes(readAll(disk), padded(content));
    disk.flush();
    disk.close();
    expectBytes(readImage(path), padded(content));
    judge(path, padded(content));
  });

  test("without any writes is a valid empty one", () => {
    const path = fresh();
    createQcow2(path, { size: 1 << 20 }).close();
    judge(path, Buffer.alloc(1 << 20));
  });

  test("is what qemu-img says it is", () => {
    const path = fresh();
    createQcow2(path, { size: 100_000_256 }).close();
    expect(JSON.parse(qemuImg("info", "--output=json", path))).toMatchObject({
      "virtual-size": 100_000_256,
      "cluster-size": CLUSTER,
      format: "qcow2",
      "dirty-flag": false,
      "format-specific": { data: { compat: "1.1", "refcount-bits": 16, corrupt: false } },
    });
  });

  test("has no clusters for zeros, in memory or in the file", () => {
    const path = fresh();
    const disk = createQcow2(path, { size: 1 << 30 });
    disk.write(Buffer.alloc(50 << 20), 0);
    disk.write(noise(10), 60 << 20);
    disk.close();
    expect(statSync(path).size).toBe(6 * CLUSTER);
  });

  test("has its data first, in the order of writing", () => {
    const path = fresh();
    const disk = createQcow2(path, { size: 10 << 20 });
    for (const cluster of [9, 3, 4, 0]) disk.write(Buffer.alloc(CLUSTER, cluster + 1), cluster * CLUSTER);
    disk.close();
    const bytes = readFileSync(path);
    expect([1, 2, 3, 4].map((cluster) => bytes[cluster * CLUSTER])).toEqual([10, 4, 5, 1]);
  });

  test("is no valid image before it is flushed", () => {
    const path = fresh();
    const disk = createQcow2(path, { size: 3 << 20 });
    disk.write(noise(1 << 18), 0);
    expect(readFileSync(path)).toHaveLength(0);
    disk.write(noise(3 << 20), 0);
    expect(readFileSync(path).subarray(0, 4)).toEqual(Buffer.alloc(4));
    disk.close();
  });

  test("may be written to after a flush, and is whole again after the next", () => {
    const path = fresh();
    const disk = createQcow2(path, { size: 1100 << 20 });
    const model = Buffer.alloc(5 << 20);
    for (const [step, offset] of [0, 70_000, 4 << 20, 10, 3 << 20].entries()) {
      const data = noise(200_000, step + 1);
      disk.write(data, offset);
      model.set(data, offset);
      disk.flush();
      qemuImg("check", path);
      expectBytes(readPart(path, 0, model.length), model);
    }
    disk.write(noise(100), 1099 << 20);
    disk.close();
    qemuImg("check", path);
    expectBytes(readPart(path, 1099 << 20, 100), noise(100));
    expectBytes(readPart(path, 0, model.length), model);
  });

  test("overwrites in place, zeros too", () => {
    const path = fresh();
    const disk = createQcow2(path, { size: 1 << 20 });
    disk.write(noise(300_000), 0);
    disk.write(Buffer.alloc(200_000), 50_000);
    const model = Buffer.alloc(1 << 20);
    noise(300_000).copy(model);
    model.fill(0, 50_000, 250_000);
    expectBytes(readAll(disk), model);
    disk.close();
    judge(path, model);
  });
});

describe("size", () => {
  test("of terabytes, written here and there, takes little memory and is sound", () => {
    const path = fresh();
    const size = 8 * 2 ** 40;
    const disk = createQcow2(path, { size, sync: false });
    const step = 2 ** 33 + 12_345;
    const before = process.memoryUsage();
    for (let at = 0; at < size; at += step) disk.write(Buffer.from(`here: ${at}`), at);
    const after = process.memoryUsage();
    disk.close();
    expect(after.heapUsed + after.external - before.heapUsed - before.external).toBeLessThan(20 << 20);
    qemuImg("check", path);
    const { device, close } = openDisk(path);
    for (let at = 0; at < size; at += step) {
      const text = Buffer.alloc(`here: ${at}`.length);
      device.read(text, at);
      expect(text.toString()).toBe(`here: ${at}`);
    }
    close();
  });

  test("of several gigabytes of data needs more than one block of refcounts", () => {
    const path = fresh();
    const size = 2.2 * 2 ** 30 - ((2.2 * 2 ** 30) % CLUSTER);
    const disk = createQcow2(path, { size, sync: false });
    // One sector a cluster: the file is as long as with all the data, and its holes take no space.
    const sector = noise(512);
    for (let at = 0; at < size; at += CLUSTER) disk.write(sector, at);
    disk.close();
    expect(statSync(path).size).toBeGreaterThan(size);
    qemuImg("check", path);
    expectBytes(readPart(path, size - CLUSTER, 512), sector);
    rmSync(path);
  });

  test.each([-1, 0.5, Number.NaN, 2 ** 51 + 1, 2 ** 60])("of %d bytes is refused", (size) => {
    expect(capstanErrorOf(() => createQcow2(fresh(), { size })).code).toBe("disk-size");
  });

  test("of 2 PiB, the most that QEMU opens, is possible", () => {
    const path = fresh();
    const disk = createQcow2(path, { size: 2 ** 51 });
    disk.write(noise(512), 2 ** 51 - 512);
    disk.close();
    qemuImg("check", path);
    expect(JSON.parse(qemuImg("info", "--output=json", path))["virtual-size"]).toBe(2 ** 51);
  });
});

describe("an overlay", () => {
  const base = noise(300_032, 7);
  base.fill(0, 65536, 131072);
  const basePath = join(folder, "base.raw");
  writeFileSync(basePath, base);
  const backing = { path: "base.raw", format: "raw", device: new MemoryDisk(base) } as const;

  test("without writes is its base", () => {
    const path = fresh();
    const disk = createQcow2(path, { size: base.length, backing });
    expectBytes(readAll(disk), base);
    disk.close();
    judge(path, base);
    expect(statSync(path).size).toBe(4 * CLUSTER);
  });

  test("of a qcow2 says so", () => {
    const below = fresh();
    const image = createQcow2(below, { size: base.length });
    image.write(base, 0);
    image.close();
    const opened = openDisk(below);
    const path = fresh();
    const disk = createQcow2(path, { size: base.length, backing: { ...opened, path: below } });
    disk.write(Buffer.from("new"), 200_000);
    disk.close();
    opened.close();
    const model = Buffer.from(base);
    model.write("new", 200_000);
    judge(path, model);
    const info = JSON.parse(qemuImg("info", "--output=json", path));
    expect(info).toMatchObject({ "backing-filename": below, "backing-filename-format": "qcow2" });
  });

  test("hides its base with zeros without storing them", () => {
    const path = fresh();
    const disk = createQcow2(path, { size: base.length, backing });
    disk.write(Buffer.alloc(base.length), 0);
    disk.close();
    judge(path, Buffer.alloc(base.length));
    expect(statSync(path).size).toBe(5 * CLUSTER);
  });

  test("stores no zeros where its base has ended", () => {
    const path = fresh();
    const disk = createQcow2(path, { size: 1 << 20, backing });
    disk.write(Buffer.alloc((1 << 20) - 5 * CLUSTER), 5 * CLUSTER);
    disk.close();
    expect(statSync(path).size).toBe(4 * CLUSTER);
  });

  test.each([131072, 200_192, 300_032, 300_544, 400_384])("of %d bytes over a base of 300,032", (size) => {
    const path = fresh();
    const model = Buffer.alloc(size);
    base.copy(model);
    const disk = createQcow2(path, { size, backing });
    for (const at of [10, 70_000, size - 100]) {
      disk.write(Buffer.from("new"), at);
      model.write("new", at);
    }
    expectBytes(readAll(disk), model);
    disk.close();
    expectBytes(readImage(path), model);
    judge(path, model);
  });

  test("with a colon in the name of its base is not taken for a protocol", () => {
    writeFileSync(join(folder, "a:b"), base);
    const path = fresh();
    createQcow2(path, { size: base.length, backing: { ...backing, path: "a:b" } }).close();
    judge(path, base);
    expectBytes(readImage(path), base);
  });

  test.each(["", "a\0b", "ä".repeat(512)])("with an impossible name for its base is refused", (name) => {
    const path = fresh();
    const error = capstanErrorOf(() => createQcow2(path, { size: 512, backing: { ...backing, path: name } }));
    expect(error.code).toBe("backing-name");
    expect(() => statSync(path)).toThrow();
  });
});

const SIZE = 5 * CLUSTER + 1024;
const SOURCE = noise(3 << 20, 3);
const nearBorders = fc
  .tuple(fc.integer({ min: 0, max: 5 }), fc.constantFrom(-513, -512, -1, 0, 1, 511, 512, 30_000))
  .map(([cluster, around]) => Math.min(SIZE, Math.max(0, cluster * CLUSTER + around)));
const operation = fc.record({
  from: nearBorders,
  to: nearBorders,
  content: fc.constantFrom("noise", "zeros", "both"),
  after: fc.constantFrom("nothing", "nothing", "read", "flush"),
});

function bytesFor({ from, to, content }: { from: number; to: number; content: string }): { data: Buffer; at: number } {
  const at = Math.min(from, to);
  const data = Buffer.alloc(Math.abs(to - from));
  if (content !== "zeros") SOURCE.copy(data, 0, at, content === "both" ? at + data.length / 2 : at + data.length);
  return { data, at };
}

describe("any writes equal the same writes to memory", () => {
  const base = noise(SIZE - 70_000, 11);
  base.fill(0, CLUSTER, 2 * CLUSTER + 100);
  writeFileSync(join(folder, "model-base"), base);
  const backing = { path: "model-base", format: "raw", device: new MemoryDisk(base) } as const;

  test.each([
    ["on an empty disk", undefined],
    ["on an overlay", backing],
  ])("%s, and the same writes give the same file", (_, below) => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 12 }), (operations) => {
        const model = Buffer.alloc(SIZE);
        if (below !== undefined) base.copy(model);
        const paths = [fresh(), fresh()];
        for (const [twin, path] of paths.entries()) {
          const disk = createQcow2(path, { size: SIZE, backing: below, sync: false });
          for (const it of operations) {
            const { data, at } = bytesFor(it);
            disk.write(data, at);
            data.copy(model, at);
            // Reading must not change what is written: only one of the twins reads.
            if (it.after === "read" && twin === 0) expectBytes(readAll(disk), model);
            if (it.after === "flush") disk.flush();
          }
          disk.close();
          expectBytes(readImage(path), model);
        }
        const [first = "", second = ""] = paths;
        expectBytes(readFileSync(first), readFileSync(second));
        rmSync(first);
        rmSync(second);
      }),
      {
        numRuns: 150,
        // A read in the middle of a cluster that would become one of zeros.
        examples: [
          [
            [
              { from: 0, to: 2 * CLUSTER + 512, content: "zeros", after: "read" },
              { from: 2 * CLUSTER + 512, to: 3 * CLUSTER + 1, content: "zeros", after: "nothing" },
            ],
          ],
        ],
      },
    );
  });

  test.each([
    ["on an empty disk", undefined],
    ["on an overlay", backing],
  ])("%s, as QEMU sees it", (_, below) => {
    fc.assert(
      fc.property(fc.array(operation, { minLength: 1, maxLength: 12 }), (operations) => {
        const model = Buffer.alloc(SIZE);
        if (below !== undefined) base.copy(model);
        const path = fresh();
        const disk = createQcow2(path, { size: SIZE, backing: below, sync: false });
        for (const it of operations) {
          const { data, at } = bytesFor(it);
          disk.write(data, at);
          data.copy(model, at);
          if (it.after === "flush") disk.flush();
        }
        disk.close();
        judge(path, model);
        rmSync(path);
      }),
      { numRuns: 20 },
    );
  });
});

test("the way a run is cut into writes does not show in the file", () => {
  const content = noise(5_000_000);
  content.fill(0, 1_000_000, 2_000_000);
  const files = [512, 4096, 1_000_000, 5_000_000].map((piece) => {
    const path = fresh();
    const disk = createQcow2(path, { size: 6 << 20, sync: false });
    for (let at = 0; at < content.length; at += piece) disk.write(content.subarray(at, at + piece), at);
    disk.close();
    return readFileSync(path);
  });
  for (const file of files) expectBytes(file, files[0] ?? Buffer.alloc(0));
});

test("QEMU writes on in what we began", () => {
  const path = fresh();
  const content = noise(1 << 20);
  const disk = createQcow2(path, { size: 4 << 20 });
  disk.write(content, 0);
  disk.close();
  qemuImg("resize", path, "600M");
  qemuImg("snapshot", "-c", "before", path);
  qemuImg("check", path);
  expectBytes(readImage(path).subarray(0, content.length), content);
});

describe("failures", () => {
  test("an existing file is never overwritten", () => {
    const path = fresh();
    writeFileSync(path, "precious");
    expect(capstanErrorOf(() => createQcow2(path, { size: 512 })).code).toBe("file-exists");
    expect(readFileSync(path, "utf8")).toBe("precious");
  });

  test("a folder that does not exist is named", () => {
    const error = capstanErrorOf(() => createQcow2(join(folder, "none", "x.qcow2"), { size: 512 }));
    expect(error.code).toBe("os-enoent");
    expect(error.message).toContain("none");
  });

  test("after a read of the base has failed, the overlay is not completed behind the user's back", () => {
    const path = fresh();
    const device = createRaw(`${path}.base`, { size: 1 << 20 });
    const disk = createQcow2(path, { size: 1 << 20, backing: { path: "x", format: "raw", device } });
    const file = openSync(`${path}.base`, "r+");
    ftruncateSync(file, 100);
    closeSync(file);
    disk.write(Buffer.from("new"), 5000);
    expect(capstanErrorOf(() => disk.flush()).code).toBe("disk-truncated");
    expect(capstanErrorOf(() => disk.write(Buffer.from("more"), 5000)).code).toBe("disk-truncated");
    expect(capstanErrorOf(() => disk.flush()).code).toBe("disk-truncated");
    disk.close();
    device.close();
    expect(statSync(path).size).toBe(0);
  });

  test("reading and writing beyond the end is the caller's error", () => {
    const disk = createQcow2(fresh(), { size: 1024 });
    expect(() => disk.read(Buffer.alloc(10), 1015)).toThrow(RangeError);
    expect(() => disk.write(Buffer.alloc(10), 1015)).toThrow(RangeError);
    disk.close();
    expect(() => disk.write(Buffer.alloc(10), 0)).toThrow("closed");
  });
});
