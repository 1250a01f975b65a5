import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { BlockDevice } from "../../src/disks/block-device.ts";
import { setBootArgs } from "../../src/disks/boot-args.ts";
import { copyDevice, layoutDisk, openImage } from "../../src/disks/image.ts";
import { setRootPartition } from "../../src/disks/mbr.ts";
import { openDisk } from "../../src/disks/probe.ts";
import { createQcow2 } from "../../src/disks/qcow2/writer.ts";
import { createRaw } from "../../src/disks/raw.ts";
import { InterruptedError } from "../../src/support/errors.ts";
import { EDGE_SIZES, expectBytes, judge, MemoryDisk, noise, qemuImg, readAll, temporaryFolder } from "./support.ts";

const MiB = 1 << 20;
const folder = temporaryFolder();
let count = 0;
const fresh = () => join(folder, `image${count++}`);

describe("layoutDisk", () => {
  test.each([
    [1, 512, 2 * MiB, 2 * MiB + 512],
    [3_801_088, 6_000_128, 4 * MiB, 4 * MiB + 6_000_128],
    [2 * MiB, 512, 2 * MiB, 2 * MiB + 512],
    [2 * MiB + 1, 512, 4 * MiB, 4 * MiB + 512],
    [2 * MiB, 513, 2 * MiB, 2 * MiB + 1024],
    [2 * MiB, 0, 2 * MiB, 2 * MiB],
  ])("a loader of %d and a file system of %d bytes", (loaderSize, filesystemSize, start, totalSize) => {
    const layout = layoutDisk({ loaderSize, filesystemSize });
    expect(layout).toEqual({ partition: { start, size: totalSize - start }, totalSize });
  });

  test("never overlaps, and wastes less than 2 MiB", () => {
    const size = fc.integer({ min: 1, max: 2 ** 40 });
    fc.assert(
      fc.property(size, size, (loaderSize, filesystemSize) => {
        const { partition, totalSize } = layoutDisk({ loaderSize, filesystemSize });
        expect(partition.start % (2 * MiB)).toBe(0);
        expect(partition.start).toBeGreaterThanOrEqual(loaderSize);
        expect(partition.start - loaderSize).toBeLessThan(2 * MiB);
        expect(totalSize - partition.start - filesystemSize).toBeGreaterThanOrEqual(0);
        expect(totalSize - partition.start - filesystemSize).toBeLessThan(512);
      }),
    );
  });
});

describe("copyDevice", () => {
  test.each(EDGE_SIZES)("copies %d bytes", async (size) => {
    const from = new MemoryDisk(noise(size));
    const to = new MemoryDisk(Buffer.alloc(size + 10));
    await copyDevice(from, to);
    expectBytes(to.bytes, Buffer.concat([from.bytes, Buffer.alloc(10)]));
  });

  test("writes no zeros", async () => {
    const content = noise(10 * MiB);
    content.fill(0, MiB, 9 * MiB);
    const to = new MemoryDisk(Buffer.alloc(content.length));
    const written: [number, number][] = [];
    to.write = (data, offset) => void written.push([offset, data.length]);
    await copyDevice(new MemoryDisk(content), to);
    expect(written).toEqual([
      [0, MiB],
      [9 * MiB, MiB],
    ]);
  });

  test("reads up to borders, also when zeros end between them", async () => {
    const reads: [number, number][] = [];
    const from: BlockDevice = {
      size: 5 * MiB,
      read: (target, offset) => void reads.push([offset, target.fill(1).length]),
      zeroRun: (offset) => (offset === 0 ? 65536 : 0),
    };
    await copyDevice(from, new MemoryDisk(Buffer.alloc(5 * MiB)));
    expect(reads).toEqual([
      [65536, 2 * MiB - 65536],
      [2 * MiB, 2 * MiB],
      [4 * MiB, MiB],
    ]);
  });

  test("does not read what is known to be zero: a disk of 10 TB copies at once", async () => {
    const from = fresh();
    qemuImg("create", "-f", "qcow2", from, "10T");
    const disk = openDisk(from);
    const path = fresh();
    const to = createQcow2(path, { size: disk.device.size });
    let read = 0;
    const { device } = disk;
    const counting: BlockDevice = {
      size: device.size,
      read: (target) => {
        read += target.length;
      },
      zeroRun: (offset, limit) => device.zeroRun?.(offset, limit) ?? 0,
    };
    await copyDevice(counting, to);
    expect(read).toBe(0);
    to.close();
    disk.close();
    qemuImg("check", "-f", "qcow2", path);
  });

  test("from compressed qcow2 to raw and to qcow2", async () => {
    const content = noise(7 * MiB);
    content.fill("text ", 2 * MiB, 3 * MiB);
    content.fill(0, 4 * MiB, 6 * MiB);
    const source = fresh();
    writeFileSync(source, content);
    const packed = fresh();
    qemuImg("convert", "-c", "-f", "raw", "-O", "qcow2", source, packed);
    const disk = openDisk(packed);
    const [raw, qcow2] = [fresh(), fresh()];
    for (const to of [createRaw(raw, { size: content.length }), createQcow2(qcow2, { size: content.length })]) {
      await copyDevice(disk.device, to);
      to.close();
    }
    disk.close();
    judge(raw, content, "raw");
    judge(qcow2, content);
  });

  test("reports how far it is", async () => {
    const seen: number[] = [];
    const size = 20 * MiB;
    const to = new MemoryDisk(Buffer.alloc(size));
    await copyDevice(new MemoryDisk(noise(size)), to, { onProgress: (done) => seen.push(done) });
    expect(seen).toEqual([8 * MiB, 16 * MiB]);
  });

  test("stops when it is told to, between two chunks", async () => {
    const controller = new AbortController();
    const to = new MemoryDisk(Buffer.alloc(64 * MiB));
    const source: BlockDevice = { size: 64 * MiB, read: (target) => void target.fill(1) };
    setImmediate(() => controller.abort());
    await expect(copyDevice(source, to, { signal: controller.signal })).rejects.toThrow(InterruptedError);
    expect(to.bytes.at(-1)).toBe(0);
  });

  test("into a smaller disk is the caller's error", async () => {
    await expect(copyDevice(new MemoryDisk(noise(10)), new MemoryDisk(noise(9)))).rejects.toThrow(RangeError);
  });
});

describe("openImage", () => {
  const filesystem = noise(100 * 512, 5);

  function loader(): Buffer {
    const bytes = noise(65536 + 32768);
    bytes.fill(0, 0x1b8, 65536);
    bytes.writeUInt16LE(1, 0x10);
    bytes.set([0x55, 0xaa], 0x1fe);
    return bytes;
  }

  function compose(format: "raw" | "qcow2"): string {
    const path = fresh();
    const { partition, totalSize } = layoutDisk({ loaderSize: loader().length, filesystemSize: filesystem.length });
    const disk = format === "raw" ? createRaw(path, { size: totalSize }) : createQcow2(path, { size: totalSize });
    disk.write(loader(), 0);
    disk.write(filesystem, partition.start);
    setRootPartition(disk, partition);
    setBootArgs(disk, "/hello world");
    disk.flush();
    disk.close();
    return path;
  }

  test.each(["raw", "qcow2"] as const)("shows all of a composed %s", (format) => {
    const image = openImage(compose(format));
    expect(image).toMatchObject({
      format,
      size: 2 * MiB + filesystem.length,
      commandLine: "/hello world",
      partitions: [{ number: 2, type: 0x83, start: 2 * MiB, size: filesystem.length }],
      loader: { payloadSize: 32768 },
      problems: [],
    });
    expect(image.rootPartition && readAll(image.rootPartition).equals(filesystem)).toBe(true);
    image.close();
  });

  test("of the same parts is the same bytes", () => {
    const [first, second] = [openDisk(compose("qcow2")), openDisk(compose("qcow2"))];
    expectBytes(readAll(first.device), readAll(second.device));
    first.close();
    second.close();
  });

  test("tells the problems of an image that is cut short", () => {
    const path = fresh();
    const whole = openDisk(compose("raw"));
    writeFileSync(path, readAll(whole.device).subarray(0, -512));
    whole.close();
    const image = openImage(path);
    expect(image.rootPartition).toBeUndefined();
    expect(image.partitions).toHaveLength(1);
    expect(image.problems).toEqual([
      `partition 2 ends at byte ${2 * MiB + filesystem.length}, and the disk at ${2 * MiB + filesystem.length - 512}`,
    ]);
    image.close();
  });

  test.each([
    ["empty", Buffer.alloc(0), /is empty/],
    ["a web page", Buffer.from("<html>"), /web page/],
    ["noise", noise(100_000), /55 AA/],
  ])("tells what else a file is: %s", (_, bytes, problem) => {
    const path = fresh();
    writeFileSync(path, bytes);
    const image = openImage(path);
    expect(image.commandLine).toBeUndefined();
    expect(image.loader).toBeUndefined();
    expect(image.problems[0]).toMatch(problem);
    image.close();
  });

  test.each(["vdi", "vmdk", "vpc"])("opens in the format %s too", (format) => {
    const [raw, path] = [fresh(), fresh()];
    writeFileSync(raw, noise(1 << 20));
    qemuImg("convert", "-f", "raw", "-O", format, raw, path);
    const image = openImage(path);
    expect(image.format).toBe(format);
    expect(image.problems[0]).toMatch(/55 AA/);
    image.close();
  });
});
