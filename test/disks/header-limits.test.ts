import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openDisk } from "../../src/disks/probe.ts";
import { writeCompressedQcow2 } from "../../src/disks/qcow2/compressed.ts";
import { createQcow2 } from "../../src/disks/qcow2/writer.ts";
import { createVdi } from "../../src/disks/vdi/writer.ts";
import { createVhd } from "../../src/disks/vhd/writer.ts";
import { writeStreamVmdk } from "../../src/disks/vmdk/stream.ts";
import { createVmdk } from "../../src/disks/vmdk/writer.ts";
import { CapstanError } from "../../src/support/errors.ts";
import { MemoryDisk, noise, temporaryFolder } from "./support.ts";

const folder = temporaryFolder();
const SIZE = 200_192;
const content = noise(SIZE);
const time = 1_700_000_000;

/** Writes a sound disk; where its headers lie, from the start and from the end of the file; how its checksums are made anew. */
interface Format {
  readonly write: (path: string) => unknown;
  readonly places?: (size: number) => readonly number[];
  readonly seal?: (bytes: Buffer) => void;
}

const filled = (disk: { write(data: Uint8Array, at: number): void; close(): void }) => {
  disk.write(content, 0);
  disk.close();
};
const every4 = (start: number, length: number) => Array.from({ length: length / 4 }, (_, index) => start + 4 * index);

const FORMATS: Readonly<Record<string, Format>> = {
  qcow2: { write: (path) => filled(createQcow2(path, { size: SIZE })), places: () => every4(0, 112) },
  "qcow2, compressed": {
    write: (path) => writeCompressedQcow2(new MemoryDisk(content), path),
    places: () => every4(0, 112),
  },
  VDI: {
    write: (path) => filled(createVdi(path, { size: SIZE })),
    places: () => [...every4(64, 16), ...every4(336, 56)],
  },
  VMDK: { write: (path) => filled(createVmdk(path, { size: SIZE })), places: () => every4(0, 80) },
  "VMDK, stream-optimised": {
    write: (path) => writeStreamVmdk(new MemoryDisk(content), path),
    places: (size) => [...every4(0, 80), ...every4(size - 1024, 80)],
  },
  "VHD, growing": {
    write: (path) => filled(createVhd(path, { size: SIZE, type: "dynamic", time })),
    places: (size) => [...every4(512, 64), ...every4(size - 512, 84)],
    seal: sealVhd,
  },
  "VHD, fixed": {
    write: (path) => filled(createVhd(path, { size: SIZE, type: "fixed", time })),
    places: (size) => every4(size - 512, 84),
    seal: sealVhd,
  },
};

/** Without sound checksums, nothing behind them would be looked at. */
function sealVhd(bytes: Buffer): void {
  const parts = [
    { at: bytes.length - 512, length: 512, sum: 64 },
    { at: 512, length: 1024, sum: 36 },
  ];
  for (const { at, length, sum } of parts) {
    const part = bytes.subarray(at, at + length);
    part.writeUInt32BE(0, sum);
    part.writeUInt32BE(~part.reduce((total, byte) => total + byte, 0) >>> 0, sum);
  }
}

const VALUES = [0n, 1n, 2n ** 31n - 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n];

test.each(Object.entries(FORMATS))(
  "%s: any number of its headers at its limits, in either order",
  async (name, format) => {
    const path = join(folder, name);
    await format.write(path);
    const sound = readFileSync(path);
    const file = openSync(path, "r+");
    let refused = 0;
    for (const at of format.places?.(sound.length) ?? []) {
      for (const value of VALUES) {
        for (const order of ["big", "little"]) {
          const bytes = Buffer.from(sound);
          const eight = bytes.subarray(at, at + 8);
          if (order === "big") eight.writeBigUInt64BE(value);
          else eight.writeBigUInt64LE(value);
          format.seal?.(bytes);
          writeSync(file, bytes, 0, 2048, 0);
          writeSync(file, bytes, bytes.length - 1024, 1024, bytes.length - 1024);
          refused += lookAt(path) ? 0 : 1;
        }
      }
    }
    closeSync(file);
    expect(refused).toBeGreaterThan(0);
    writeFileSync(path, sound);
    expect(lookAt(path)).toBe(true);
  },
);

/** Whether it can be read; what else than a CapstanError is thrown fails the test. */
function lookAt(path: string): boolean {
  try {
    const { device, close } = openDisk(path, { backing: "refuse" });
    try {
      const { size } = device;
      const some = Buffer.alloc(Math.min(size, 4096));
      device.read(some, 0);
      device.read(some, size - some.length);
      for (let at = 0, step = 0; at < size && step < 5; step++) at += (device.zeroRun?.(at, size - at) ?? 0) + 4096;
      return true;
    } finally {
      close();
    }
  } catch (error) {
    if (error instanceof CapstanError) return false;
    throw error;
  }
}
