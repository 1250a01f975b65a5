import { readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { createRaw, openRaw } from "../../src/disks/raw.ts";
import { capstanErrorOf, EDGE_SIZES, expectBytes, noise, readAll, temporaryFolder } from "./support.ts";

const folder = temporaryFolder();
let count = 0;
const fresh = () => join(folder, `${count++}.raw`);

test.each(EDGE_SIZES)("a disk of %d bytes holds what is written, and the file is the disk", (size) => {
  const path = fresh();
  const content = noise(size);
  const disk = createRaw(path, { size });
  disk.write(content, 0);
  expectBytes(readAll(disk), content);
  disk.flush();
  disk.close();
  expectBytes(readFileSync(path), content);
  const again = openRaw(path);
  expect(again.size).toBe(size);
  expectBytes(readAll(again), content);
  again.close();
});

test("zeros take no space, unless something else was there", () => {
  const path = fresh();
  const disk = createRaw(path, { size: 64 << 20 });
  disk.write(Buffer.alloc(60 << 20), 0);
  disk.flush();
  expect(statSync(path).blocks).toBe(0);
  disk.write(noise(100_000), 1000);
  disk.write(Buffer.alloc(100_000), 1000);
  disk.close();
  expectBytes(readFileSync(path), Buffer.alloc(64 << 20));
});

test("any writes equal the same writes to memory", () => {
  const size = 300_000;
  const write = fc.record({
    offset: fc.integer({ min: 0, max: size }),
    length: fc.integer({ min: 0, max: 140_000 }),
    zero: fc.boolean(),
    readBack: fc.boolean(),
  });
  const source = noise(size);
  fc.assert(
    fc.property(fc.array(write, { maxLength: 12 }), (writes) => {
      const path = fresh();
      const disk = createRaw(path, { size, sync: false });
      const model = Buffer.alloc(size);
      for (const { offset, length, zero, readBack } of writes) {
        const end = Math.min(size, offset + length);
        const data = zero ? Buffer.alloc(end - offset) : source.subarray(offset, end);
        disk.write(data, offset);
        model.set(data, offset);
        if (readBack) expectBytes(readAll(disk), model);
      }
      disk.close();
      expectBytes(readFileSync(path), model);
    }),
    { numRuns: 60 },
  );
});

test("an existing file is never overwritten", () => {
  const path = fresh();
  writeFileSync(path, "precious");
  expect(capstanErrorOf(() => createRaw(path, { size: 10 })).code).toBe("file-exists");
  expect(readFileSync(path, "utf8")).toBe("precious");
});

test.each([-1, 0.5, Number.NaN, 2 ** 60])("a size of %d is refused", (size) => {
  expect(capstanErrorOf(() => createRaw(fresh(), { size })).code).toBe("disk-size");
});

test("a file that shrinks while it is read is an error that names it", () => {
  const path = fresh();
  writeFileSync(path, noise(2000));
  const disk = openRaw(path);
  truncateSync(path, 1000);
  const error = capstanErrorOf(() => readAll(disk));
  expect(error.code).toBe("disk-truncated");
  expect(error.message).toContain(path);
  disk.close();
});

test("reading and writing beyond the end is the caller's error", () => {
  const disk = createRaw(fresh(), { size: 100 });
  expect(() => disk.read(Buffer.alloc(10), 91)).toThrow(RangeError);
  expect(() => disk.write(Buffer.alloc(10), 91)).toThrow(RangeError);
  disk.close();
});
