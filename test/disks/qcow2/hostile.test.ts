import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { deflateRawSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { openDisk } from "../../../src/disks/probe.ts";
import { CapstanError } from "../../../src/support/errors.ts";
import { expectBytes, noise, qemuImg, temporaryFolder } from "../support.ts";

const folder = temporaryFolder();
const SIZE = 512 * 600;
const CONTENT = noise(SIZE);
CONTENT.fill("compressible ", 20_000, 150_000);
CONTENT.fill(0, 150_000, 250_000);
writeFileSync(join(folder, "base.raw"), CONTENT);

const IMAGES = [
  image("plain", "cluster_size=4096"),
  image("old", "cluster_size=4096,compat=0.10"),
  image("compressed", "cluster_size=4096", "-c"),
  image("small", "cluster_size=512", "-c"),
  overlay(),
] as const;

interface Image {
  readonly name: string;
  readonly bytes: Buffer;
  readonly cluster: number;
  /** Where its L2 tables lie. */
  readonly tables: readonly number[];
  /** Where its header and tables lie: the places worth damaging. */
  readonly metadata: readonly { readonly start: number; readonly length: number }[];
}

function image(name: string, options: string, ...flags: readonly string[]): Image {
  const path = join(folder, `${name}.qcow2`);
  qemuImg("convert", ...flags, "-f", "raw", "-O", "qcow2", "-o", options, join(folder, "base.raw"), path);
  return described(name, path);
}

function overlay(): Image {
  const path = join(folder, "overlay.qcow2");
  qemuImg("create", "-f", "qcow2", "-o", "cluster_size=4096", "-b", "plain.qcow2", "-F", "qcow2", path);
  return described("overlay", path);
}

function described(name: string, path: string): Image {
  const bytes = readFileSync(path);
  const cluster = 2 ** bytes.readUInt32BE(20);
  const l1Entries = bytes.readUInt32BE(36);
  const l1 = Number(bytes.readBigUInt64BE(40));
  const tables = Array.from({ length: l1Entries }, (_, index) =>
    Number(bytes.readBigUInt64BE(l1 + index * 8) & 0x00ff_ffff_ffff_fe00n),
  ).filter((offset) => offset > 0);
  const metadata = [
    // Without the magic it would be a raw disk, which nothing can be wrong with.
    { start: 4, length: 200 },
    { start: l1, length: l1Entries * 8 },
    ...tables.map((start) => ({ start, length: Math.min(cluster, 700) })),
  ];
  return { name, bytes, cluster, tables, metadata };
}

/** All of a small disk, some places of a vast one; a CapstanError is an answer too, anything else fails the test. */
function lookAt(path: string): Buffer | CapstanError {
  try {
    const disk = openDisk(path);
    try {
      const { device } = disk;
      const known = Buffer.alloc(Math.min(device.size, 1 << 20), 0xee);
      device.read(known, 0);
      for (let at = 0, step = 0; at < device.size && step < 50; step++) {
        at += Math.max(1, device.zeroRun?.(at, device.size - at) ?? 0, Math.floor(device.size / 50));
      }
      const end = Buffer.alloc(Math.min(device.size, 5000));
      device.read(end, device.size - end.length);
      return known;
    } finally {
      disk.close();
    }
  } catch (error) {
    if (error instanceof CapstanError) return error;
    throw error;
  }
}

/** One of the images; a failure shows its name instead of its bytes. */
function imageOf(images: readonly Image[]): fc.Arbitrary<Image> {
  return fc.constantFrom(...images.map((it) => Object.assign({ ...it }, { [fc.toStringMethod]: () => it.name })));
}

const damage = fc.record({
  image: imageOf(IMAGES),
  changes: fc.array(
    fc.record({
      part: fc.nat(),
      at: fc.nat(),
      bytes: fc.oneof(
        fc.uint8Array({ minLength: 1, maxLength: 8 }),
        fc.constantFrom(Uint8Array.of(0xff, 0xff, 0xff, 0xff), new Uint8Array(8), new Uint8Array(8).fill(0xff)),
      ),
    }),
    { minLength: 1, maxLength: 3 },
  ),
  cutTo: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { freq: 4 }),
});

function damaged({ image, changes, cutTo }: typeof damage extends fc.Arbitrary<infer T> ? T : never): Buffer {
  const bytes = Buffer.from(image.bytes);
  for (const change of changes) {
    const part = image.metadata[change.part % image.metadata.length];
    if (part !== undefined) bytes.set(change.bytes, part.start + (change.at % Math.max(1, part.length - 8)));
  }
  return cutTo === null ? bytes : bytes.subarray(0, Math.floor(cutTo * bytes.length));
}

test("the images are sound before they are damaged", () => {
  for (const { name } of IMAGES) expectBytes(lookAt(join(folder, `${name}.qcow2`)) as Buffer, CONTENT);
});

test("a damaged image is read or refused, soon, and without much memory", () => {
  const path = join(folder, "damaged.qcow2");
  const before = process.memoryUsage().rss;
  let refused = 0;
  let slowest = 0;
  fc.assert(
    fc.property(damage, (it) => {
      writeFileSync(path, damaged(it));
      const start = performance.now();
      if (lookAt(path) instanceof CapstanError) refused++;
      slowest = Math.max(slowest, performance.now() - start);
    }),
    { numRuns: 1500 },
  );
  expect(refused).toBeGreaterThan(200);
  expect(refused).toBeLessThan(1500);
  expect(slowest).toBeLessThan(20_000);
  expect(process.memoryUsage().rss - before).toBeLessThan(2 ** 30);
});

const rewiring = fc.record({
  image: imageOf(IMAGES.filter(({ tables }) => tables.length > 0)),
  changes: fc.array(
    fc.record({ to: fc.nat(), from: fc.nat(), how: fc.constantFrom("copy", "clear", "zero", "flag") }),
    {
      minLength: 1,
      maxLength: 8,
    },
  ),
});

/** An image whose tables are sound by themselves, and say something else than they did. */
function rewired({ image, changes }: typeof rewiring extends fc.Arbitrary<infer T> ? T : never): Buffer {
  const bytes = Buffer.from(image.bytes);
  const perTable = image.cluster / 8;
  const slot = (number: number) => {
    const entry = number % (image.tables.length * perTable);
    return (image.tables[Math.floor(entry / perTable)] ?? Number.NaN) + (entry % perTable) * 8;
  };
  for (const { to, from, how } of changes) {
    const entry = image.bytes.readBigUInt64BE(slot(from));
    const values = { copy: entry, clear: 0n, zero: 1n, flag: entry ^ (1n << 63n) };
    bytes.writeBigUInt64BE(values[how], slot(to));
  }
  return bytes;
}

test("what is read of a rewired image is what QEMU reads", () => {
  const path = join(folder, "compared.qcow2");
  let compared = 0;
  fc.assert(
    fc.property(rewiring, (it) => {
      writeFileSync(path, rewired(it));
      const ours = lookAt(path);
      const theirs = spawnSync("qemu-img", ["convert", "-f", "qcow2", "-O", "raw", path, `${path}.raw`]);
      if (ours instanceof CapstanError || theirs.status !== 0) return;
      compared++;
      expectBytes(ours, readFileSync(`${path}.raw`));
    }),
    { numRuns: 60 },
  );
  expect(compared).toBeGreaterThan(15);
});

describe("a hostile image", () => {
  /** 2^25 entries would be a table of 256 MiB; in a file with a hole it would even lie "within the file". */
  test("with a huge L1 table in a sparse file is refused before anything is allocated", () => {
    const path = join(folder, "l1.qcow2");
    const [plain] = IMAGES;
    const bytes = Buffer.from(plain.bytes);
    bytes.writeBigUInt64BE(2n ** 50n, 24);
    bytes.writeUInt32BE(0xffffffff, 36);
    writeFileSync(path, bytes);
    expect(lookAt(path)).toMatchObject({ code: "qcow2-damaged", message: expect.stringContaining("disk size") });
  });

  test("whose every L1 entry shares one table is looked through in small steps", () => {
    const path = join(folder, "shared.qcow2");
    const cluster = 65536;
    const entries = 1 << 20;
    const bytes = Buffer.alloc(2 * cluster + entries * 8);
    (IMAGES[0].bytes as Buffer).copy(bytes, 0, 0, 112);
    bytes.writeUInt32BE(16, 20);
    bytes.writeBigUInt64BE(BigInt(entries) * BigInt(cluster) * 8192n, 24);
    bytes.writeUInt32BE(entries, 36);
    bytes.writeBigUInt64BE(BigInt(2 * cluster), 40);
    for (let index = 0; index < entries; index++) bytes.writeUInt32BE(cluster, 2 * cluster + index * 8 + 4);
    writeFileSync(path, bytes);
    const { device, close } = openDisk(path);
    const run = device.zeroRun?.(0, device.size) ?? 0;
    expect(run).toBeGreaterThan(100 << 20);
    expect(run).toBeLessThan(device.size);
    close();
  });

  test.each([
    [0, "refused"],
    [4095, "refused"],
    [4096, "read"],
    [4097, "refused"],
    [1 << 20, "refused"],
  ])("whose compressed cluster of 4096 bytes unpacks to %d is %s", (length, end) => {
    const path = join(folder, "bomb.qcow2");
    const { bytes: sound, tables } = IMAGES[2];
    const bytes = Buffer.from(sound);
    const table = tables[0] ?? 0;
    const entry = [...Array(75).keys()]
      .map((index) => bytes.readBigUInt64BE(table + index * 8))
      .find((it) => it >> 62n === 1n);
    deflateRawSync(Buffer.alloc(length)).copy(bytes, Number((entry ?? 0n) & ((1n << 58n) - 1n)));
    writeFileSync(path, bytes);
    const found = lookAt(path);
    expect(found instanceof CapstanError ? "refused" : "read").toBe(end);
    if (end === "refused") expect(found).toMatchObject({ message: expect.stringContaining("cannot be unpacked") });
  });

  test.each([
    ["behind the file", 1 << 30],
    ["in the last half cluster of the file", IMAGES[0].bytes.length],
  ])("with an L2 table %s is refused", (_, offset) => {
    const path = join(folder, "l2.qcow2");
    const bytes = Buffer.concat([IMAGES[0].bytes, Buffer.alloc(2048)]);
    bytes.writeBigUInt64BE(BigInt(offset), Number(bytes.readBigUInt64BE(40)));
    writeFileSync(path, bytes);
    expect(lookAt(path)).toMatchObject({ message: expect.stringContaining(`the L2 table at ${offset} lies beyond`) });
  });
});
