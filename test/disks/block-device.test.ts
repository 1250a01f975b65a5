import { expect, test } from "vitest";
import { DeviceWindow, ReadWindow } from "../../src/disks/block-device.ts";
import { MemoryDisk, noise, readAll } from "./support.ts";

test("a window reads and writes its part of the device, and nothing else", () => {
  const disk = new MemoryDisk(noise(1000));
  const before = Buffer.from(disk.bytes);
  const window = new DeviceWindow(disk, 100, 50);
  expect(readAll(window)).toEqual(before.subarray(100, 150));
  window.write(Buffer.alloc(50, 7), 0);
  expect(disk.bytes).toEqual(Buffer.concat([before.subarray(0, 100), Buffer.alloc(50, 7), before.subarray(150)]));
});

test.each([
  ["begins before the device", -1, 10],
  ["ends behind the device", 991, 10],
  ["has no size", 0, Number.NaN],
])("a window that %s is refused", (_, start, size) => {
  expect(() => new ReadWindow(new MemoryDisk(Buffer.alloc(1000)), start, size)).toThrow(RangeError);
});

test.each([
  [-1, 1],
  [50, 1],
  [0, 51],
])("reading and writing at %d, %d bytes long, outside the window is refused", (offset, length) => {
  const window = new DeviceWindow(new MemoryDisk(Buffer.alloc(1000)), 100, 50);
  expect(() => window.read(Buffer.alloc(length), offset)).toThrow(RangeError);
  expect(() => window.write(Buffer.alloc(length), offset)).toThrow(RangeError);
});

test("what a device knows of its zeros is asked at the window's place, and not beyond its end", () => {
  const asked: [number, number][] = [];
  const device = Object.assign(new MemoryDisk(Buffer.alloc(1000)), {
    zeroRun: (offset: number, limit: number) => {
      asked.push([offset, limit]);
      return limit;
    },
  });
  expect(new ReadWindow(device, 100, 50).zeroRun(10, 500)).toBe(40);
  expect(asked).toEqual([[110, 40]]);
});
