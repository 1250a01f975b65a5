import { readFileSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Closable, WritableBlockDevice } from "../../src/disks/block-device.ts";
import { openDisk, probeFormat } from "../../src/disks/probe.ts";
import { createVdi } from "../../src/disks/vdi/writer.ts";
import { createVhd } from "../../src/disks/vhd/writer.ts";
import { writeStreamVmdk } from "../../src/disks/vmdk/stream.ts";
import { createVmdk } from "../../src/disks/vmdk/writer.ts";
import {
  capstanErrorOf,
  expectBytes,
  MemoryDisk,
  noise,
  qemuImg,
  readAll,
  readImage,
  temporaryFolder,
} from "./support.ts";

const folder = temporaryFolder();
let count = 0;
const fresh = (extension: string) => join(folder, `${count++}.${extension}`);

type Create = (path: string, size: number) => WritableBlockDevice & Closable;
interface Format {
  readonly name: string;
  readonly qemu: "vdi" | "vpc" | "vmdk";
  readonly create: Create;
  /** What qemu-img makes of the same kind. */
  readonly options: readonly string[];
  /** Bytes of a block. */
  readonly block: number;
}

const FORMATS: readonly Format[] = [
  { name: "VDI", qemu: "vdi", create: (path, size) => createVdi(path, { size }), options: [], block: 1 << 20 },
  {
    name: "VHD, growing",
    qemu: "vpc",
    create: (path, size) => createVhd(path, { size, type: "dynamic", time: 1_700_000_000 }),
    options: ["-o", "subformat=dynamic,force_size=on"],
    block: 1 << 21,
  },
  {
    name: "VHD, fixed",
    qemu: "vpc",
    create: (path, size) => createVhd(path, { size, type: "fixed", time: 1_700_000_000 }),
    options: ["-o", "subformat=fixed,force_size=on"],
    block: 1 << 21,
  },
  { name: "VMDK", qemu: "vmdk", create: (path, size) => createVmdk(path, { size }), options: [], block: 1 << 16 },
];

/** QEMU finds the disk sound, as far as it can check the format, and equal to `content`. */
function judge(path: string, { qemu }: Pick<Format, "qemu">, content: Uint8Array): void {
  if (qemu !== "vpc") qemuImg("check", "-f", qemu, path);
  const model = `${path}.model`;
  writeFileSync(model, content);
  qemuImg("compare", "-f", qemu, "-F", "raw", path, model);
  // Comparing takes zeros at the end of one for nothing.
  expect(JSON.parse(qemuImg("info", "-f", qemu, "--output=json", path))["virtual-size"]).toBe(content.length);
  rmSync(model);
}

describe.each(FORMATS)("$name", (format) => {
  const { create, qemu, block } = format;
  const sizes = [512, 65536, block, block + 512, 3 * block - 512, 33 * (1 << 20)];

  test.each(sizes)("of %d bytes holds what is written, for QEMU too", (size) => {
    const path = fresh(qemu);
    const content = noise(size);
    const disk = create(path, size);
    expect(disk.size).toBe(size);
    disk.write(content, 0);
    expectBytes(readAll(disk), content);
    disk.flush();
    disk.close();
    expect(probeFormat(path)).toBe(qemu);
    expectBytes(readImage(path), content);
    judge(path, format, content);
  });

  test("that was never written is all zeros", () => {
    const path = fresh(qemu);
    create(path, 10 << 20).close();
    judge(path, format, Buffer.alloc(10 << 20));
    const disk = openDisk(path);
    if (format.name !== "VHD, fixed") expect(disk.device.zeroRun?.(5, 10 << 20)).toBe((10 << 20) - 5);
    disk.close();
  });

  test("takes writes in any order, over each other, and after a flush", () => {
    const size = 5 * block;
    const write = fc.record({ at: fc.nat(size - 1), length: fc.integer({ min: 1, max: 200_000 }), seed: fc.nat(9) });
    fc.assert(
      fc.property(fc.array(write, { minLength: 1, maxLength: 8 }), fc.nat(7), (writes, flushAfter) => {
        const path = fresh(qemu);
        const model = Buffer.alloc(size);
        const disk = create(path, size);
        writes.forEach(({ at, length, seed }, index) => {
          // Zeros over something else are writes like others.
          const data =
            seed === 0 ? Buffer.alloc(Math.min(length, size - at)) : noise(Math.min(length, size - at), seed);
          disk.write(data, at);
          model.set(data, at);
          if (index === flushAfter) disk.flush();
        });
        disk.close();
        expectBytes(readImage(path), model);
        judge(path, format, model);
        rmSync(path);
      }),
      { numRuns: 12 },
    );
  });

  test("made by QEMU is read", () => {
    const content = noise(7 * (1 << 20));
    content.fill(0, 1 << 20, 4 << 20);
    const model = fresh("raw");
    const path = fresh(qemu);
    writeFileSync(model, content);
    qemuImg("convert", "-f", "raw", "-O", qemu, ...format.options, model, path);
    expect(probeFormat(path)).toBe(qemu);
    expectBytes(readImage(path), content);
  });

  test("takes little room for what is zero", () => {
    const path = fresh(qemu);
    const disk = create(path, 2 ** 33);
    disk.write(noise(1000), 2 ** 32);
    disk.close();
    expect(statSync(path).blocks * 512).toBeLessThan(6 << 20);
  });

  test.each([-1, Number.NaN, 2 ** 60])("cannot have %d bytes", (size) => {
    expect(capstanErrorOf(() => create(fresh(qemu), size)).code).toBe("disk-size");
  });

  test("damaged anywhere, it gives its content or a clear error", () => {
    const source = fresh(qemu);
    const disk = create(source, 3 * block);
    disk.write(noise(2 * block), 0);
    disk.close();
    const bytes = readFileSync(source);
    const places = fc.oneof(
      fc.nat(2047),
      fc.nat(bytes.length - 1),
      fc.nat(511).map((back) => bytes.length - 1 - back),
    );
    const damage = fc.oneof(
      fc.record({ kind: fc.constant("flip" as const), at: places, value: fc.nat(255) }),
      fc.record({ kind: fc.constant("cut" as const), at: places, value: fc.constant(0) }),
    );
    fc.assert(
      fc.property(fc.array(damage, { minLength: 1, maxLength: 4 }), (damages) => {
        const path = fresh(qemu);
        const copy = Buffer.from(bytes);
        for (const { kind, at, value } of damages) if (kind === "flip") copy[at] = value;
        writeFileSync(path, copy);
        for (const { kind, at } of damages) if (kind === "cut") truncateSync(path, at);
        try {
          const opened = openDisk(path);
          const target = Buffer.alloc(Math.min(opened.device.size, 4 * block));
          opened.device.read(target, 0);
          opened.close();
        } catch (error) {
          expect(error).toMatchObject({ name: "CapstanError" });
        } finally {
          rmSync(path);
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe("stream-optimised VMDK", () => {
  const mixed = (size: number) => {
    const content = noise(size);
    content.fill(0, Math.min(size, 100_000), Math.min(size, 40 << 20));
    content.fill(0x41, Math.min(size, 50 << 20));
    return content;
  };

  test.each([512, 65536, 65536 + 512, 70 << 20])("of %d bytes is read back, by QEMU too", async (size) => {
    const path = fresh("vmdk");
    const content = mixed(size);
    const fileSize = await writeStreamVmdk(new MemoryDisk(content), path);
    expect(statSync(path).size).toBe(fileSize);
    expectBytes(readImage(path), content);
    judge(path, { qemu: "vmdk" }, content);
    expect(JSON.parse(qemuImg("info", "--output=json", path))).toMatchObject({
      "virtual-size": size,
      "format-specific": { data: { "create-type": "streamOptimized" } },
    });
  });

  test("of nothing but zeros has no grains", async () => {
    const path = fresh("vmdk");
    await writeStreamVmdk(new MemoryDisk(Buffer.alloc(1 << 20)), path);
    judge(path, { qemu: "vmdk" }, Buffer.alloc(1 << 20));
  });

  test("made by QEMU is read", () => {
    const content = mixed(60 << 20);
    const [model, path] = [fresh("raw"), fresh("vmdk")];
    writeFileSync(model, content);
    qemuImg("convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized", model, path);
    expectBytes(readImage(path), content);
  });

  test("is the same each time when its number is", async () => {
    const paths = [fresh("vmdk"), fresh("vmdk")];
    for (const path of paths) {
      const named = join(folder, "same.vmdk");
      await writeStreamVmdk(new MemoryDisk(mixed(3 << 20)), named, { contentId: 7 });
      renameSync(named, path);
    }
    expectBytes(readFileSync(paths[0] ?? ""), readFileSync(paths[1] ?? ""));
  });

  test("leaves nothing behind when it is ended", async () => {
    const path = fresh("vmdk");
    const ended = AbortSignal.abort();
    await expect(writeStreamVmdk(new MemoryDisk(noise(4 << 20)), path, { signal: ended })).rejects.toThrow();
    expect(() => statSync(path)).toThrow();
  });
});
