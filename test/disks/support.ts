import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect } from "vitest";
import type { BlockDevice, Closable, WritableBlockDevice } from "../../src/disks/block-device.ts";
import { openDisk } from "../../src/disks/probe.ts";
import { CapstanError } from "../../src/support/errors.ts";

/** A folder for the tests of one file; removed after them. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "capstan-disks-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export function qemuImg(...args: readonly string[]): string {
  return execFileSync("qemu-img", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

/** Fails the test unless qemu-img finds an image sound, without leaks, and equal to `content`. */
export function judge(path: string, content: Uint8Array, format = "qcow2"): void {
  if (format === "qcow2") qemuImg("check", "-f", "qcow2", path);
  const model = `${path}.model`;
  writeFileSync(model, content);
  qemuImg("compare", "-f", format, "-F", "raw", path, model);
  rmSync(model);
}

/** Bytes that are the same each time, and do not compress or repeat. */
export function noise(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length);
  let state = seed >>> 0 || 1;
  for (let at = 0; at < length; at++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[at] = state;
  }
  return bytes;
}

export function readAll(device: BlockDevice): Buffer {
  const bytes = Buffer.alloc(device.size, 0xee);
  device.read(bytes, 0);
  return bytes;
}

export function readImage(path: string): Buffer {
  const disk = openDisk(path);
  try {
    return readAll(disk.device);
  } finally {
    disk.close();
  }
}

/** Equal, or a failure that names the first difference (expect's own comparison is slow on large buffers). */
export function expectBytes(actual: Uint8Array, expected: Uint8Array): void {
  if (Buffer.compare(actual, expected) === 0) return;
  const at = actual.findIndex((byte, index) => byte !== expected[index]);
  expect(`${actual.length} bytes, at ${at}: ${actual[at]}`).toBe(`${expected.length} bytes, at ${at}: ${expected[at]}`);
}

/** The CapstanError that `work` ends in; any other end fails the test. */
export function capstanErrorOf(work: () => unknown): CapstanError {
  try {
    work();
  } catch (error) {
    if (error instanceof CapstanError) return error;
    throw error;
  }
  throw new Error("no error was thrown");
}

export class MemoryDisk implements WritableBlockDevice, Closable {
  readonly bytes: Buffer;
  writes = 0;
  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }
  get size(): number {
    return this.bytes.length;
  }
  read(target: Uint8Array, offset: number): void {
    target.set(this.bytes.subarray(offset, offset + target.length));
  }
  write(data: Uint8Array, offset: number): void {
    this.writes++;
    this.bytes.set(data, offset);
  }
  flush(): void {}
  close(): void {}
}

export const EDGE_SIZES = [0, 1, 511, 512, 513, 65535, 65536, 65537];
