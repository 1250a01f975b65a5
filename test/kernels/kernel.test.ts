import { execFileSync } from "node:child_process";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readKernel } from "../../src/kernels/kernel.ts";
import { temporaryFolder } from "../disks/support.ts";
import { describeUnless, lacksProgram } from "../support/machine.ts";
import { repository } from "../support/sandbox.ts";
import { loaderImage } from "./loader-image.ts";
import { makeKernel } from "./synthetic-kernel.ts";

const folder = temporaryFolder();
const prebuilt = join(repository, "guest", "prebuilt");
const demo = { image: join(prebuilt, "osv-demo-loader.img"), elf: join(prebuilt, "osv-demo-loader.elf") };

function written(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

describe("the demo kernel", () => {
  test("is known by what it says, not by its name", () => {
    const image = join(folder, "osv-loader.qemu");
    copyFileSync(demo.image, image);
    const kernel = readKernel({ name: "osv-loader", image, elf: undefined });
    expect(kernel).toMatchObject({ kind: "demo", machine: "x86-64", libraryPath: [] });
    expect(kernel.version).toMatch(/^\d+\.\d+$/);
    expect(kernel.title).toContain("demo kernel");
    expect([...kernel.supplies]).toEqual([]);
    expect(kernel.can).toEqual({
      native: false,
      linuxLoader: "interpreter",
      staticPrograms: true,
      tlsLimit: undefined,
      fork: false,
      relocations: undefined,
      zfs: false,
    });
  });

  test("is not what only speaks of it", () => {
    const image = written(
      "mentions.img",
      Buffer.concat([Buffer.alloc(65536), Buffer.from("unlike the Capstan demo kernel 1.0, …")]),
    );
    expect(readKernel({ name: "mentions", image, elf: undefined }).kind).toBe("osv");
  });
});

describe("a kernel that cannot be looked into is taken for the oldest", () => {
  test.each<[string, Uint8Array]>([
    ["nothing", new Uint8Array()],
    ["something else", Buffer.alloc(100_000, 7)],
    [
      "an image without a table",
      Buffer.concat([Buffer.alloc(65536), Buffer.from("\x7fELF\x01\x01\x01", "latin1"), Buffer.alloc(900)]),
    ],
    ["a kernel that is no ELF", loaderImage(Buffer.alloc(4000, "no ELF"))],
    ["an ELF header and no more", loaderImage(Buffer.from("\x7fELF\x02\x01\x01".padEnd(64, "\0"), "latin1"))],
  ])("%s", (what, bytes) => {
    const kernel = readKernel({ name: "odd", image: written(`${what}.img`, bytes), elf: undefined });
    expect(kernel).toMatchObject({
      kind: "osv",
      version: undefined,
      machine: "x86-64",
      libraryPath: ["/", "/usr/lib"],
    });
    expect(kernel.can).toMatchObject({
      native: true,
      linuxLoader: false,
      staticPrograms: false,
      tlsLimit: 64,
      fork: false,
    });
    expect(kernel.title).toMatch(/of odd, .*(oldest|v0\.57\.0|does not tell)/);
    expect(kernel.supplies.size === 0 || kernel.supplies.has("libc.so.6")).toBe(true);
  });

  test("an image that is not there is an error", () => {
    expect(() => readKernel({ name: "none", image: join(folder, "none"), elf: undefined })).toThrow(
      expect.objectContaining({ code: "os-enoent" }),
    );
  });
});

describeUnless(process.arch === "x64" ? lacksProgram("gcc") : "needs an x86-64 compiler")(
  "kernels of a compiler",
  () => {
    const image = written("empty.img", Buffer.alloc(70_000));
    const cxx = "_ZSt9terminatev";
    const all = ["libc.so.6", "libm.so.6", "libstdc++.so.6", "libxenstore.so.3.0"];

    test("say version, exports and abilities", () => {
      const elf = makeKernel(folder, "old", {
        version: "v0.57.0",
        exports: ["malloc", "puts", cxx],
        supplies: all,
        reserve: 120,
      });
      const kernel = readKernel({ name: "osv-loader", image, elf });
      expect(kernel).toMatchObject({
        kind: "osv",
        version: "v0.57.0",
        machine: "x86-64",
        title: "OSv v0.57.0",
      });
      expect([...(kernel.exports ?? [])]).toEqual(expect.arrayContaining(["malloc", "puts", "own", cxx]));
      expect([...kernel.supplies].sort()).toEqual([...all].sort());
      expect(kernel.can).toMatchObject({ native: true, linuxLoader: false, staticPrograms: false, fork: false });
      expect(kernel.can.relocations?.has(37)).toBe(false);
      expect(kernel.can.relocations?.has(6)).toBe(true);
    });

    test("can more when they are newer", () => {
      const elf = makeKernel(folder, "new", { version: "v0.57.0-398-g0e34e4dc", isNew: true });
      const kernel = readKernel({ name: "l", image, elf });
      expect(kernel.version).toBe("v0.57.0-398-g0e34e4dc");
      expect(kernel.can).toMatchObject({ linuxLoader: "explicit", staticPrograms: true });
      expect(kernel.can.relocations?.has(37)).toBe(true);
    });

    test.each<[texts: readonly string[], root: "osv" | "osv/zfs" | false]>([
      [[], false],
      [["osv/zfs", "/usr/lib/fs/libsolaris.so"], false],
      [["ZFS WARNING: %s", "osv/zfs"], "osv/zfs"],
      [["ZFS WARNING: %s", "osv"], "osv"],
    ])("mount ZFS if they have it in them: with %j the data set is %s", (supplies, root) => {
      const elf = makeKernel(folder, "zfs", { supplies });
      expect(readKernel({ name: "l", image, elf }).can.zfs).toBe(root);
    });

    test.each<[string, boolean]>([
      ["v0.56.0", false],
      ["v0.57.0", false],
      ["v0.57.0-288-gabcdef0", false],
      ["v0.57.0-289-gabcdef0", true],
      ["v0.57.1", true],
      ["v0.58.0-3-gabcdef0", true],
      ["v1.0", true],
    ])("%s: copies too early is %s", (version, early) => {
      const elf = makeKernel(folder, version, { version });
      expect(readKernel({ name: "l", image, elf }).can.copiesTooEarly).toBe(early);
    });

    test("do not supply the C++ library when its symbols cannot be bound to", () => {
      const elf = makeKernel(folder, "hidden", { exports: ["malloc"], supplies: all });
      expect(readKernel({ name: "l", image, elf }).supplies).toEqual(
        new Set(all.filter((name) => name !== "libstdc++.so.6")),
      );
    });

    test("that do not tell their version are called so", () => {
      const kernel = readKernel({ name: "l", image, elf: makeKernel(folder, "silent", { version: "" }) });
      expect(kernel.version).toBeUndefined();
      expect(kernel.title).toBe("the OSv of l, which does not tell its version");
    });

    test.each([64, 120, 536, 4096])("keep thread-local storage of %i bytes free", (reserve) => {
      const elf = makeKernel(folder, `tls${reserve}`, { reserve });
      const limit = readKernel({ name: "l", image, elf }).can.tlsLimit ?? 0;
      const symbols = execFileSync("nm", [elf], { encoding: "utf8" });
      const at = (name: string) =>
        Number.parseInt(new RegExp(`^([0-9a-f]+) . ${name}$`, "m").exec(symbols)?.[1] ?? "", 16);
      expect(limit).toBe(at("reserve_end") - at("reserve_start"));
      expect(limit).toBeGreaterThanOrEqual(reserve);
    });

    test("keep at least 64 bytes free where that cannot be read", () => {
      expect(
        readKernel({ name: "l", image, elf: makeKernel(folder, "tls-hidden", { reserve: undefined }) }).can.tlsLimit,
      ).toBe(64);
    });

    test("are the same out of a loader image", () => {
      const elf = makeKernel(folder, "packed", { isNew: true, exports: ["malloc"], reserve: 536 });
      const packed = written("packed.img", loaderImage(readFileSync(elf)));
      const [a, b] = [
        readKernel({ name: "l", image: packed, elf: undefined }),
        readKernel({ name: "l", image: packed, elf }),
      ];
      expect({ ...a }).toEqual({ ...b });
      expect(a.exports?.has("malloc")).toBe(true);
    });

    test("changed by a few bytes never make it crash", () => {
      const whole = readFileSync(makeKernel(folder, "to-change", { exports: ["malloc"], reserve: 120 }));
      const elf = join(folder, "changed.elf");
      fc.assert(
        fc.property(
          fc.nat(1023),
          fc.uint8Array({ minLength: 1, maxLength: 8 }),
          fc.nat(whole.length),
          (at, bytes, length) => {
            const changed = Buffer.from(whole);
            changed.set(bytes, at);
            writeFileSync(elf, changed.subarray(0, length % 3 === 0 ? length : whole.length));
            const kernel = readKernel({ name: "l", image, elf });
            expect([
              kernel.version,
              kernel.machine,
              kernel.exports?.size,
              kernel.supplies.size,
              kernel.can.tlsLimit,
            ]).toHaveLength(5);
          },
        ),
      );
    });
  },
);

const { CAPSTAN_TEST_LOADER: loader, CAPSTAN_TEST_KERNEL: kernelElf } = process.env;

describeUnless(
  loader === undefined || kernelElf === undefined
    ? "set CAPSTAN_TEST_LOADER and CAPSTAN_TEST_KERNEL"
    : lacksProgram("nm"),
)("a real OSv kernel", () => {
  test("is read alike from its ELF and from its image, and as nm reads it", () => {
    const files = { name: "osv-loader", image: loader ?? "" };
    const fromElf = readKernel({ ...files, elf: kernelElf });
    const fromImage = readKernel({ ...files, elf: undefined });
    expect({ ...fromImage }).toEqual({ ...fromElf });
    expect(fromElf.version).toMatch(/^v\d+\.\d+/);
    expect(fromElf.can.tlsLimit).toBeGreaterThan(64);
    expect([...fromElf.supplies]).toEqual(expect.arrayContaining(["libc.so.6", "libm.so.6", "libpthread.so.0"]));
    const listed = execFileSync("nm", ["-D", "--defined-only", kernelElf ?? ""], {
      encoding: "utf8",
      maxBuffer: 64 * 1024 * 1024,
    });
    const names = listed
      .trimEnd()
      .split("\n")
      .map((line) => line.slice(line.lastIndexOf(" ") + 1));
    expect(fromElf.exports).toEqual(new Set(names));
  });
});
