import { truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { BlockDevice } from "../../src/disks/block-device.ts";
import { copyDevice } from "../../src/disks/image.ts";
import { openDisk } from "../../src/disks/probe.ts";
import { writeCompressedQcow2 } from "../../src/disks/qcow2/compressed.ts";
import { createRaw } from "../../src/disks/raw.ts";
import { createVdi } from "../../src/disks/vdi/writer.ts";
import { writeStreamVmdk } from "../../src/disks/vmdk/stream.ts";
import { writeGceTarball } from "../../src/exports/gce.ts";
import { capstanErrorOf, expectBytes, MemoryDisk, noise, readAll, temporaryFolder } from "./support.ts";

const folder = temporaryFolder();
let count = 0;
const fresh = () => join(folder, String(count++));
const GiB = 2 ** 30;

/** A few KiB whose tables lead from every block of `size` bytes to one and the same place. */
const REPEATING: Readonly<Record<string, (size: number) => Buffer>> = {
  vdi: (size) => {
    const blocks = size / 2 ** 20;
    const bytes = Buffer.alloc(512 + 4 * blocks + 512, 0);
    bytes.fill(7, bytes.length - 512);
    bytes.writeUInt32LE(0xbeda107f, 64);
    bytes.writeUInt32LE(0x00010001, 68);
    bytes.writeUInt32LE(1, 76);
    bytes.writeUInt32LE(512, 340);
    bytes.writeUInt32LE(bytes.length - 512, 344);
    bytes.writeUInt32LE(512, 360);
    bytes.writeBigUInt64LE(BigInt(size), 368);
    bytes.writeUInt32LE(2 ** 20, 376);
    bytes.writeUInt32LE(blocks, 384);
    return bytes;
  },
  qcow2: (size) => {
    const cluster = 65536;
    const bytes = Buffer.alloc(4 * cluster);
    bytes.writeUInt32BE(0x514649fb, 0);
    bytes.writeUInt32BE(2, 4);
    bytes.writeUInt32BE(16, 20);
    bytes.writeBigUInt64BE(BigInt(size), 24);
    bytes.writeUInt32BE(8192, 36);
    bytes.writeBigUInt64BE(BigInt(cluster), 40);
    for (let at = 0; at < cluster; at += 8) {
      bytes.writeBigUInt64BE(BigInt(2 * cluster), cluster + at);
      bytes.writeBigUInt64BE(BigInt(3 * cluster), 2 * cluster + at);
    }
    bytes.fill(7, 3 * cluster);
    return bytes;
  },
};

const WRITERS: Readonly<Record<string, (device: BlockDevice, path: string) => Promise<unknown>>> = {
  raw: async (device, path) => {
    const disk = createRaw(path, { size: device.size, sync: false });
    await copyDevice(device, disk).finally(() => disk.close());
  },
  "compressed qcow2": (device, path) => writeCompressedQcow2(device, path),
  "stream-optimised VMDK": (device, path) => writeStreamVmdk(device, path),
  "tarball of Google's": (device, path) => writeGceTarball(device, path, { mtime: 0 }),
};

test.each(Object.keys(WRITERS))("a disk that repeats itself is not written out whole: %s", async (writer) => {
  const path = fresh();
  const size = writer === "raw" ? 512 * GiB : 1024 * GiB;
  writeFileSync(path, REPEATING.vdi?.(size) ?? "");
  const { device, close } = openDisk(path);
  await expect(WRITERS[writer]?.(device, fresh())).rejects.toMatchObject({ code: "disk-implausible" });
  close();
});

test.each(Object.keys(REPEATING))("what repeats itself can be read still: %s", async (format) => {
  const path = fresh();
  writeFileSync(path, REPEATING[format]?.(4 * GiB) ?? "");
  const { device, close } = openDisk(path);
  const some = Buffer.alloc(512);
  device.read(some, 3 * GiB);
  expect(some.every((byte) => byte === 7)).toBe(true);
  expect(device.mostData).toBeLessThan(GiB);
  close();
});

test("a sound disk is never implausible, however well it is compressed", async () => {
  const content = Buffer.alloc(100 * 2 ** 20, 7);
  for (const write of [writeCompressedQcow2, writeStreamVmdk]) {
    const path = fresh();
    await write(new MemoryDisk(content), path);
    const { device, close } = openDisk(path);
    const copy = new MemoryDisk(Buffer.alloc(content.length));
    await copyDevice(device, copy);
    expectBytes(copy.bytes, content);
    close();
  }
});

test("nor is a full one of another format", async () => {
  const path = fresh();
  const content = noise(40 * 2 ** 20);
  const disk = createVdi(path, { size: content.length });
  disk.write(content, 0);
  disk.close();
  const { device, close } = openDisk(path);
  expect(device.mostData).toBeGreaterThanOrEqual(content.length);
  expectBytes(readAll(device), content);
  close();
});

function emptyVmdk(sectors: bigint): string {
  const path = fresh();
  const header = Buffer.alloc(512);
  header.write("KDMV");
  header.writeUInt32LE(1, 4);
  header.writeBigUInt64LE(sectors, 12);
  header.writeBigUInt64LE(8n, 20);
  header.writeUInt32LE(4096, 44);
  header.writeBigUInt64LE(1n, 56);
  writeFileSync(path, header);
  truncateSync(path, 2 ** 28);
  return path;
}

test("an empty VMDK of 32 TiB is looked through in few steps, by whole tables", () => {
  const { device, close } = openDisk(emptyVmdk(2n ** 36n));
  let steps = 0;
  for (let at = 0; at < device.size; steps++) at += device.zeroRun?.(at, device.size - at) ?? Number.NaN;
  expect(steps).toBeLessThan(200);
  close();
});

test("a VMDK larger than any is refused", () => {
  expect(capstanErrorOf(() => openDisk(emptyVmdk(2n ** 43n))).code).toBe("vmdk-damaged");
});
