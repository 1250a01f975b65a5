import { execFileSync } from "node:child_process";
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { findImage, listImages } from "../../src/store/images.ts";
import { importImage } from "../../src/store/import-image.ts";
import { failureOf, temporaryFolder, testContext } from "../packages/support.ts";
import { bootableDisk, filesBelow, fill, temporaryStore } from "./support.ts";

const context = testContext("/");

function disk(name: string, content: Uint8Array | string): string {
  const path = join(temporaryFolder(), name);
  writeFileSync(path, content);
  return path;
}

function qcow2(content: Uint8Array): string {
  const raw = disk("d.raw", content);
  execFileSync("qemu-img", ["convert", "-f", "raw", "-O", "qcow2", raw, `${raw}.qcow2`]);
  return `${raw}.qcow2`;
}

test("a raw disk becomes NAME.qemu, byte for byte, with an index of now", async () => {
  const layout = temporaryStore();
  const file = disk("usr.img", bootableDisk(5_000_001, "mark"));
  const imported = await importImage(layout, { name: "ns/a", file }, context);
  expect(imported).toEqual({ name: "ns/a", path: join(layout.repository, "ns/a/a.qemu"), format: "raw" });
  expect(readFileSync(imported.path).equals(readFileSync(file))).toBe(true);
  expect(readFileSync(join(layout.repository, "ns/a/index.yaml"), "utf8")).toBe(
    'format_version: "1"\nversion: ""\ncreated: 2026-11-20 09:11\ndescription: ""\nbuild: ""\n',
  );
  expect(listImages(layout)).toMatchObject([{ name: "ns/a", problem: undefined }]);
});

test("a qcow2 disk stays one, and what is said of it is in the index", async () => {
  const layout = temporaryStore();
  const meta = { version: "1.0", created: "2020-01-01 00:00", description: "d", build: "make" };
  const imported = await importImage(layout, { name: "a", file: qcow2(bootableDisk(1 << 20)), meta }, context);
  expect(imported.format).toBe("qcow2");
  expect(execFileSync("qemu-img", ["info", imported.path], { encoding: "utf8" })).toContain("file format: qcow2");
  expect(listImages(layout)[0]?.meta).toMatchObject(meta);
});

test("the ELF of the kernel lies beside it when it is given", async () => {
  const layout = temporaryStore();
  const kernel = disk("loader.elf", "\x7fELF and more");
  await importImage(layout, { name: "l", file: disk("l.img", bootableDisk()), kernel }, context);
  expect(filesBelow(layout.repository)).toEqual(["l/index.yaml", "l/l.elf", "l/l.qemu"]);
  await importImage(layout, { name: "l", file: disk("l.img", bootableDisk()) }, context);
  expect(filesBelow(layout.repository)).toEqual(["l/index.yaml", "l/l.qemu"]);
});

test("a kernel alone is an image, under the name that the original gives it", async () => {
  const layout = temporaryStore();
  const file = disk("osv-zfs-builder.elf", "\x7fELF and more");
  const imported = await importImage(layout, { name: "osv-zfs-builder", file }, context);
  expect(imported).toMatchObject({
    path: join(layout.repository, "osv-zfs-builder/osv-zfs-builder.qemu"),
    format: "elf",
  });
  expect(readFileSync(imported.path).equals(readFileSync(file))).toBe(true);
  expect(listImages(layout)).toMatchObject([{ name: "osv-zfs-builder", problem: undefined }]);
});

test.each([
  ["raw", (content: Buffer) => disk("arm.img", content)],
  ["qcow2", qcow2],
])("a %s disk that begins as kernels for ARM do boots without a boot sector", async (format, make) => {
  const content = Buffer.alloc(1 << 20);
  content.write("ARMd", 56, "latin1");
  const imported = await importImage(temporaryStore(), { name: "a", file: make(content) }, context);
  expect(imported.format).toBe(format);
});

test("what is zero takes no space", async () => {
  const file = join(temporaryFolder(), "sparse.img");
  const fd = openSync(file, "w");
  writeSync(fd, bootableDisk());
  ftruncateSync(fd, 300_000_000);
  closeSync(fd);
  const { path } = await importImage(temporaryStore(), { name: "a", file }, context);
  expect(statSync(path).size).toBe(300_000_000);
  expect(statSync(path).blocks * 512).toBeLessThan(3_000_000);
});

test.each(["vmdk", "vdi", "vpc"])("a disk in the format %s is taken as it is", async (format) => {
  const raw = disk("d.raw", bootableDisk(1 << 20));
  const file = `${raw}.${format}`;
  execFileSync("qemu-img", ["convert", "-f", "raw", "-O", format, raw, file]);
  const imported = await importImage(temporaryStore(), { name: "a", file }, context);
  expect(imported.format).toBe(format);
  expect(readFileSync(imported.path).equals(readFileSync(file))).toBe(true);
});

describe("what is refused leaves nothing, and the image of before as it was", () => {
  const cases: [string, () => string, string][] = [
    ["nothing", () => "/nowhere/x.img", "os-enoent"],
    ["a folder", () => temporaryFolder(), "not-a-file"],
    ["an empty file", () => disk("e", ""), "image-not-bootable"],
    ["garbage", () => disk("g", "garbage".repeat(1000)), "image-not-bootable"],
    ["a web page", () => disk("h", "<!DOCTYPE html><p>404".padEnd(4096)), "image-not-bootable"],
    ["a disk that does not boot", () => disk("z", Buffer.alloc(4096)), "image-not-bootable"],
    ["a qcow2 that does not boot", () => qcow2(Buffer.alloc(1 << 20)), "image-not-bootable"],
    ["a qcow2 upon another file", () => overlay(), "backing-refused"],
  ];

  function overlay(): string {
    const lower = disk("d.raw", bootableDisk(1 << 20));
    execFileSync("qemu-img", ["create", "-q", "-f", "qcow2", "-b", lower, "-F", "raw", `${lower}.overlay`]);
    return `${lower}.overlay`;
  }

  test.each(cases)("%s", async (_, make, code) => {
    const layout = temporaryStore();
    fill(layout.repository, { "a/a.qemu": "old", "a/index.yaml": "version: old\n" });
    const file = make();
    const error = await failureOf(() => importImage(layout, { name: "a", file }, context));
    expect(error.code).toBe(code);
    expect(error.message).toContain(file);
    expect(error.hint).toBeTruthy();
    expect(readFileSync(findImage(layout, "a").path, "utf8")).toBe("old");
    expect(filesBelow(layout.root)).toEqual(["repository/a/a.qemu", "repository/a/index.yaml"]);
    await failureOf(() => importImage(layout, { name: "new", file }, context));
    expect(listImages(layout).map(({ name }) => name)).toEqual(["a"]);
    expect(filesBelow(layout.root)).toHaveLength(2);
  });

  test("a kernel that is none", async () => {
    const layout = temporaryStore();
    mkdirSync(layout.root, { recursive: true });
    const [file, kernel] = [disk("l.img", bootableDisk()), disk("k", "kernel")];
    expect((await failureOf(() => importImage(layout, { name: "a", file, kernel }, context))).code).toBe(
      "kernel-not-elf",
    );
    expect(filesBelow(layout.root)).toEqual([]);
  });

  test("an interruption in the middle", async () => {
    const layout = temporaryStore();
    const controller = new AbortController();
    const file = disk("large.img", bootableDisk(40_000_000));
    const reporter = { report: () => controller.abort(), verbose: false };
    const work = importImage(layout, { name: "a", file }, { ...context, signal: controller.signal, reporter });
    expect((await failureOf(() => work)).code).toBe("interrupted");
    expect(filesBelow(layout.root)).toEqual([]);
  });
});

test("many imports of one name at once end with one whole image", async () => {
  const layout = temporaryStore();
  const marks = Array.from({ length: 12 }, (_, index) => `mark ${index}`);
  await Promise.all(
    marks.map((version) =>
      importImage(layout, { name: "a", file: disk("d", bootableDisk(200_000, version)), meta: { version } }, context),
    ),
  );
  const [image] = listImages(layout);
  expect(filesBelow(layout.root)).toEqual(["repository/a/a.qemu", "repository/a/index.yaml"]);
  expect(
    readFileSync(image?.path ?? "")
      .toString("latin1", 0, 8)
      .replace(/\0+$/, ""),
  ).toBe(image?.meta.version);
});
