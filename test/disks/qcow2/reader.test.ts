import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openDisk } from "../../../src/disks/probe.ts";
import { capstanErrorOf, EDGE_SIZES, expectBytes, noise, qemuImg, readImage, temporaryFolder } from "../support.ts";

const folder = temporaryFolder();
let count = 0;
function fresh(name = "disk"): string {
  mkdirSync(join(folder, String(count)));
  return join(folder, String(count++), name);
}

/** Changes bytes of a file, and then its length. */
function patch(path: string, change: (bytes: Buffer) => unknown, end = 0): void {
  const bytes = readFileSync(path);
  change(bytes);
  writeFileSync(path, end < 0 ? bytes.subarray(0, end) : bytes);
}

/** Noise, zeros and text that compresses, in pieces around the borders of clusters of every size. */
function mixture(size: number): Buffer {
  const bytes = noise(size);
  bytes.fill(0, 1_000, 3_000);
  bytes.fill(0, 60_000, 300_000);
  bytes.fill("The quick brown fox. ", 300_100, 700_000);
  bytes.fill(0, 5 << 20, 8 << 20);
  return bytes;
}

const CONTENT = mixture((9 << 20) + 1536);

function rawFile(content: Buffer = CONTENT): string {
  const path = fresh("disk.raw");
  writeFileSync(path, content);
  return path;
}

describe("what qemu-img writes is read", () => {
  const raw = rawFile();

  test.each([
    [[]],
    [["-c"]],
    [["-o", "compat=0.10"]],
    [["-c", "-o", "compat=0.10"]],
    [["-o", "cluster_size=512"]],
    [["-c", "-o", "cluster_size=512"]],
    [["-o", "cluster_size=4096,lazy_refcounts=on"]],
    [["-c", "-o", "cluster_size=4096"]],
    [["-o", "cluster_size=2M"]],
    [["-c", "-o", "cluster_size=2M"]],
    [["-o", "preallocation=metadata"]],
    [["-o", "preallocation=full"]],
    [["-o", "refcount_bits=1"]],
    [["-S", "0"]],
  ])("convert %j", (options) => {
    const path = fresh("disk.qcow2");
    qemuImg("convert", "-f", "raw", "-O", "qcow2", ...options, raw, path);
    expectBytes(readImage(path), CONTENT);
  });

  test.each(EDGE_SIZES)("%d bytes, rounded up to sectors", (size) => {
    const content = noise(size);
    const path = fresh("disk.qcow2");
    qemuImg("convert", "-f", "raw", "-O", "qcow2", rawFile(content), path);
    const rounded = Buffer.alloc(Math.ceil(size / 512) * 512);
    content.copy(rounded);
    expectBytes(readImage(path), rounded);
  });

  test("any part of a compressed image, in any order", () => {
    const path = fresh("disk.qcow2");
    qemuImg("convert", "-c", "-f", "raw", "-O", "qcow2", raw, path);
    const disk = openDisk(path);
    for (let at = 0; at < 200; at++) {
      const offset = (at * 7_919_999) % CONTENT.length;
      const target = Buffer.alloc(Math.min(CONTENT.length - offset, 1 + at * 1000));
      disk.device.read(target, offset);
      expectBytes(target, CONTENT.subarray(offset, offset + target.length));
    }
    disk.close();
  });

  test("an image with the dirty bit, as it is left when QEMU is killed", () => {
    const path = fresh("disk.qcow2");
    qemuImg("convert", "-f", "raw", "-O", "qcow2", "-o", "lazy_refcounts=on", raw, path);
    patch(path, (bytes) => bytes.writeUInt8(1, 79));
    expectBytes(readImage(path), CONTENT);
  });

  test.each([1, 511, 65_535, 65_537, CONTENT.length - 3])("a disk of %d bytes, not of whole sectors", (size) => {
    const path = fresh("disk.qcow2");
    qemuImg("convert", "-f", "raw", "-O", "qcow2", raw, path);
    patch(path, (bytes) => bytes.writeBigUInt64BE(BigInt(size), 24));
    expectBytes(readImage(path), CONTENT.subarray(0, size));
  });

  test("a file whose last cluster is cut where nothing was written", () => {
    const path = fresh("disk.qcow2");
    qemuImg("convert", "-f", "raw", "-O", "qcow2", raw, path);
    patch(path, () => {}, -512);
    expectBytes(readImage(path), CONTENT);
  });

  test("a file that lost clusters of data is an error, no zeros", () => {
    const path = fresh("disk.qcow2");
    qemuImg("convert", "-f", "raw", "-O", "qcow2", raw, path);
    patch(path, () => {}, -65536);
    const error = capstanErrorOf(() => readImage(path));
    expect(error.code).toBe("qcow2-damaged");
    expect(error.message).toContain("beyond the end of the file");
  });
});

describe("backing files", () => {
  function overlayOf(base: string, format: string): string {
    const path = fresh("overlay.qcow2");
    qemuImg("create", "-f", "qcow2", "-b", base, "-F", format, path);
    return path;
  }

  test("a raw one", () => {
    expectBytes(readImage(overlayOf(rawFile(), "raw")), CONTENT);
  });

  test("an overlay with data of its own, zeros over data, and other clusters", () => {
    const base = fresh("base.qcow2");
    const changed = Buffer.from(CONTENT);
    changed.fill(0, 1 << 20, 3 << 20);
    changed.fill(9, 100_000, 100_010);
    const target = rawFile(changed);
    qemuImg("convert", "-c", "-f", "raw", "-O", "qcow2", rawFile(), base);
    const overlay = fresh("overlay.qcow2");
    qemuImg(
      "convert",
      "-f",
      "raw",
      "-O",
      "qcow2",
      "-o",
      "cluster_size=4096",
      "-B",
      base,
      "-F",
      "qcow2",
      target,
      overlay,
    );
    expectBytes(readImage(overlay), changed);
  });

  test.each([
    ["longer than its base", CONTENT.length + 100_352],
    ["shorter than its base", 700_416],
  ])("an overlay that is %s", (_, size) => {
    const overlay = overlayOf(rawFile(), "raw");
    qemuImg("resize", "--shrink", "-f", "qcow2", overlay, String(size));
    const rounded = Math.ceil(size / 512) * 512;
    const expected = Buffer.alloc(rounded);
    CONTENT.copy(expected);
    expectBytes(readImage(overlay), expected);
  });

  test("a relative name counts from the overlay's folder, a folder that moves takes it along", () => {
    const base = fresh("base.raw");
    writeFileSync(base, CONTENT);
    const home = join(base, "..");
    qemuImg("create", "-f", "qcow2", "-b", "base.raw", "-F", "raw", join(home, "overlay.qcow2"));
    const moved = `${home}-moved`;
    renameSync(home, moved);
    expectBytes(readImage(join(moved, "overlay.qcow2")), CONTENT);
  });

  test("file: before the name means nothing", () => {
    const base = rawFile();
    expectBytes(readImage(overlayOf(`file:${base}`, "raw")), CONTENT);
  });

  test("a raw one is never taken for anything else", () => {
    const inner = fresh("inner.qcow2");
    qemuImg("create", "-f", "qcow2", inner, "1M");
    const bytes = Buffer.alloc(1 << 20);
    readFileSync(inner).copy(bytes);
    const base = rawFile(bytes);
    expectBytes(readImage(overlayOf(base, "raw")), bytes);
  });

  test("a format that the image does not say is found out", () => {
    const base = fresh("base.qcow2");
    qemuImg("convert", "-f", "raw", "-O", "qcow2", rawFile(), base);
    const overlay = overlayOf(base, "qcow2");
    patch(overlay, (bytes) => bytes.writeUInt32BE(0x12345678, bytes.indexOf("e2792aca", 0, "hex")));
    expectBytes(readImage(overlay), CONTENT);
  });

  test("a missing one is named, with the image that needs it", () => {
    const base = rawFile();
    const overlay = overlayOf(base, "raw");
    rmSync(base);
    const error = capstanErrorOf(() => openDisk(overlay));
    expect(error.code).toBe("backing-missing");
    expect(error.message).toContain(overlay);
    expect(error.message).toContain(base);
  });

  test("are not followed for images from strangers", () => {
    const overlay = overlayOf(rawFile(), "raw");
    expect(capstanErrorOf(() => openDisk(overlay, { backing: "refuse" })).code).toBe("backing-refused");
  });

  test.each(["vmdk", "vdi"])("may be of the format %s", (format) => {
    const [raw, base] = [rawFile(), fresh(`base.${format}`)];
    qemuImg("convert", "-f", "raw", "-O", format, raw, base);
    expectBytes(readImage(overlayOf(base, format)), readImage(raw));
  });

  test("of a format that cannot be read are refused with the way to convert them", () => {
    const base = fresh("base.qed");
    qemuImg("create", "-f", "qed", base, "1M");
    const error = capstanErrorOf(() => openDisk(overlayOf(base, "qed")));
    expect(error.code).toBe("disk-format");
    expect(error.hint).toContain("qemu-img convert");
  });

  test.each(["nbd://localhost/x", 'json:{"driver":"file"}'])("%s is refused, nothing is connected to", (name) => {
    const overlay = overlayOf(rawFile(), "raw");
    qemuImg("rebase", "-u", "-b", name, "-F", "raw", overlay);
    expect(capstanErrorOf(() => openDisk(overlay)).code).toBe("qcow2-unsupported");
  });

  test("a loop is an error that shows it, over links too", () => {
    const first = overlayOf(rawFile(), "raw");
    const second = overlayOf(first, "qcow2");
    const link = fresh("link.qcow2");
    symlinkSync(second, link);
    qemuImg("rebase", "-u", "-b", link, "-F", "qcow2", first);
    const error = capstanErrorOf(() => openDisk(second));
    expect(error.code).toBe("backing-loop");
    expect(error.details).toEqual([second, first, link]);
  });

  test("sixteen upon each other are read, seventeen are not", () => {
    let top = rawFile();
    for (let level = 0; level < 16; level++) top = overlayOf(top, level === 0 ? "raw" : "qcow2");
    expectBytes(readImage(top), CONTENT);
    expect(capstanErrorOf(() => openDisk(overlayOf(top, "qcow2"))).code).toBe("backing-depth");
  });
});

describe("what cannot be read says why", () => {
  test.each([
    ["zstd", ["-c", "-o", "compression_type=zstd"], /compression type zstd/],
    ["extended L2 entries", ["-o", "extended_l2=on"], /extended L2 entries/],
    ["an external data file", ["-o", `data_file=${join(folder, "external")}`], /external data file/],
  ])("%s", (_, options, message) => {
    const path = fresh("disk.qcow2");
    qemuImg("convert", "-f", "raw", "-O", "qcow2", ...options, rawFile(), path);
    const error = capstanErrorOf(() => openDisk(path));
    expect(error.code).toBe("qcow2-unsupported");
    expect(error.message).toMatch(message);
    expect(error.hint).toContain("qemu-img convert");
  });
});

describe("known zeros", () => {
  function zeroRuns(path: string): [number, number][] {
    const { device, close } = openDisk(path);
    const runs: [number, number][] = [];
    for (let at = 0; at < device.size; ) {
      const run = device.zeroRun?.(at, device.size - at) ?? 0;
      const last = runs.at(-1);
      if (run > 0 && last !== undefined && last[0] + last[1] === at) last[1] += run;
      else if (run > 0) runs.push([at, run]);
      at += run > 0 ? run : 65536 - (at % 65536);
    }
    close();
    return runs;
  }

  test("are told of a vast sparse disk without looking through it", () => {
    const path = fresh("disk.qcow2");
    qemuImg("create", "-f", "qcow2", path, "10T");
    const before = process.memoryUsage();
    const { device, close } = openDisk(path);
    const target = Buffer.alloc(4096, 1);
    for (let at = 0; at < 10 * 2 ** 40; at += 2 ** 36) device.read(target, at);
    expectBytes(target, Buffer.alloc(4096));
    const after = process.memoryUsage();
    close();
    expect(after.heapUsed + after.external - before.heapUsed - before.external).toBeLessThan(20 << 20);
    expect(zeroRuns(path)).toEqual([[0, 10 * 2 ** 40]]);
  });

  test("are those of the image and of what lies below", () => {
    const raw = rawFile();
    const base = fresh("base.qcow2");
    const overlay = fresh("overlay.qcow2");
    qemuImg("convert", "-f", "raw", "-O", "qcow2", "-S", "64k", raw, base);
    // Zeros lie at 65536 … 262144 (the clusters within 60,000 … 300,000) and 5 … 8 MiB.
    const below: [number, number][] = [
      [65536, 262144 - 65536],
      [5 << 20, 3 << 20],
    ];
    expect(zeroRuns(base)).toEqual(below);
    qemuImg("create", "-f", "qcow2", "-b", base, "-F", "qcow2", overlay, "20M");
    expect(zeroRuns(overlay)).toEqual([
      ...below,
      [Math.ceil(CONTENT.length / 65536) * 65536, (20 << 20) - Math.ceil(CONTENT.length / 65536) * 65536],
    ]);
  });
});
