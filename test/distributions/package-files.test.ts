import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { indexCpio } from "../../src/distributions/package-files/cpio-index.ts";
import { findInDeb } from "../../src/distributions/package-files/deb.ts";
import { findInRpm } from "../../src/distributions/package-files/rpm.ts";
import { unpackFiles } from "../../src/distributions/package-files/unpack.ts";
import type { OpenFile } from "../../src/filesystems/file-space.ts";
import { CapstanError } from "../../src/support/errors.ts";
import { failureOf } from "../project/failure.ts";
import { lacksProgram, testUnless } from "../support/machine.ts";
import { ar, cpio, deb, rpm, tarOf } from "../support/packages.ts";
import { Sandbox } from "../support/sandbox.ts";

const sandbox = new Sandbox();
afterAll(() => sandbox.remove());
beforeAll(() => {
  sandbox.write({ "tree/usr/bin/tool": "tool\n", "tree/etc/tool.conf": "conf\n".repeat(1000) });
  sandbox.write(
    { control: "Package: tool\nVersion: 1.0\nArchitecture: all\nMaintainer: tests\nDescription: a tool\n" },
    sandbox.path("control"),
  );
});

function memory(bytes: Uint8Array): OpenFile {
  return {
    size: bytes.length,
    read: (target, offset) => target.set(bytes.subarray(offset, offset + target.length)),
    close: () => {},
  };
}

const toolDeb = (pack: Parameters<typeof tarOf>[1]) =>
  deb({ folder: sandbox.path("tree"), pack, controlTar: tarOf(sandbox.path("control")) });

const options = { limit: 1 << 30, signal: new AbortController().signal, env: process.env };
const unpack = async (name: string, file: Buffer, limit = options.limit) => {
  const [path, target] = [sandbox.path(name), sandbox.path(`${name}.out`)];
  writeFileSync(path, file);
  const packed = name.endsWith(".rpm") ? findInRpm(memory(file), path) : findInDeb(memory(file), path, "data");
  await unpackFiles(path, packed, target, { ...options, limit });
  return readFileSync(target);
};

describe("a Debian package", () => {
  for (const pack of ["none", "gzip", "xz", "zstd", "bzip2"] as const) {
    testUnless(pack === "none" ? undefined : lacksProgram(pack))(`is found and unpacked: ${pack}`, async () => {
      expect(await unpack(`${pack}.deb`, toolDeb(pack))).toEqual(tarOf(sandbox.path("tree")));
    });
  }

  testUnless(lacksProgram("dpkg-deb"))("is one to dpkg-deb, which unpacks the same", async () => {
    const path = sandbox.path("judged.deb");
    writeFileSync(path, toolDeb("gzip"));
    expect(await unpack("judged.deb", readFileSync(path))).toEqual(execFileSync("dpkg-deb", ["--fsys-tarfile", path]));
  });

  testUnless(lacksProgram("dpkg-deb"))("made by dpkg-deb is read", async () => {
    mkdirSync(sandbox.path("built", "DEBIAN"), { recursive: true });
    sandbox.write(
      { "DEBIAN/control": readFileSync(sandbox.path("control", "control")), "usr/x": "x" },
      sandbox.path("built"),
    );
    const path = sandbox.path("made.deb");
    execFileSync("dpkg-deb", ["-Zxz", "--build", sandbox.path("built"), path], { stdio: "ignore" });
    expect(await unpack("made.deb", readFileSync(path))).toEqual(execFileSync("dpkg-deb", ["--fsys-tarfile", path]));
  });

  test.each<[string, () => Buffer, string]>([
    ["something else", () => Buffer.from("PK\x03\x04"), "it is no Debian package"],
    ["empty", () => Buffer.alloc(0), "it is no Debian package"],
    ["without data", () => ar({ "debian-binary": Buffer.from("2.0\n") }), "it has no data.tar"],
    ["packed in an unknown way", () => ar({ "data.tar.q": Buffer.from("x") }), "in an unknown way"],
    ["packed in a way that is called like a method", () => ar({ "data.tartoString": Buffer.from("x") }), "unknown way"],
    ["cut off", () => toolDeb("gzip").subarray(0, -100), "it is cut off"],
    [
      "with a size that is none",
      () =>
        Buffer.from(
          ar({ "data.tar": Buffer.from("x") })
            .toString("latin1")
            .replace("1         `", "x         `"),
          "latin1",
        ),
      "has no header",
    ],
    [
      "with a size below nothing",
      () =>
        Buffer.from(
          ar({ a: Buffer.from("x") })
            .toString("latin1")
            .replace("1         `", "-9        `"),
          "latin1",
        ),
      "has no header",
    ],
  ])("%s is refused", (_, make, message) => {
    expect(failureOf(() => findInDeb(memory(make()), "x.deb", "data"))).toMatchObject({
      code: "bad-package-file",
      message: expect.stringContaining(message),
    });
  });

  test("with damaged or endless contents is refused", async () => {
    const damaged = ar({ "data.tar.gz": gzipSync(Buffer.alloc(100_000, "x")).subarray(0, -20) });
    await expect(unpack("damaged.deb", damaged)).rejects.toMatchObject({ code: "bad-package-file" });
    const bomb = ar({ "data.tar.gz": gzipSync(Buffer.alloc(1 << 24)) });
    await expect(unpack("bomb.deb", bomb, 1 << 20)).rejects.toMatchObject({ code: "package-too-large" });
  });

  testUnless(lacksProgram("xz"))("that its unpacker refuses says why", async () => {
    const bad = ar({ "data.tar.xz": Buffer.from("no xz at all") });
    await expect(unpack("bad-xz.deb", bad)).rejects.toMatchObject({
      code: "bad-package-file",
      message: expect.stringContaining("format"),
    });
  });

  test("whose unpacker is missing says so", async () => {
    const path = sandbox.path("no-xz.deb");
    writeFileSync(path, ar({ "data.tar.xz": Buffer.from("x") }));
    const packed = findInDeb(memory(readFileSync(path)), path, "data");
    const nowhere = { ...options, env: { PATH: sandbox.path("tree") } };
    await expect(unpackFiles(path, packed, `${path}.out`, nowhere)).rejects.toMatchObject({ code: "unpacker-missing" });
  });
});

const FILES = [
  { path: "./usr", mode: 0o040755 },
  { path: "./usr/bin/tool", mode: 0o100755, content: "tool\n" },
  { path: "./usr/bin/link", mode: 0o120777, content: "tool" },
];

describe("an RPM", () => {
  for (const pack of ["gzip", "xz", "zstd", "bzip2"] as const) {
    testUnless(lacksProgram(pack))(`is found and unpacked: ${pack}`, async () => {
      const archive = cpio(FILES);
      const packed = execFileSync(pack, ["-c"], { input: archive });
      expect(await unpack(`${pack}.rpm`, rpm(packed, pack))).toEqual(archive);
    });
  }

  test.each([
    ["not packed at all", cpio(FILES), null],
    ["not packed, and says so", cpio(FILES), "none"],
    ["packed with gzip", gzipSync(cpio(FILES)), null],
  ])("that names no packer is found: %s", async (_, payload, compressor) => {
    expect(await unpack("unnamed.rpm", rpm(payload, compressor))).toEqual(cpio(FILES));
    rmSync(sandbox.path("unnamed.rpm.out"));
  });

  test("has its files where its archive says", () => {
    expect(indexCpio(memory(cpio(FILES)), "x.rpm")).toMatchObject([
      { path: "usr", type: "directory", mode: 0o755 },
      { path: "usr/bin/tool", type: "file", mode: 0o755, size: 5, mtime: 1_000_000 },
      { path: "usr/bin/link", type: "symlink", target: "tool" },
    ]);
  });

  test("has the content of hard links with the last of them", () => {
    const shared = { mode: 0o100644, inode: 7, links: 3 };
    const archive = cpio([
      { path: "a", ...shared },
      { path: "b", ...shared },
      { path: "c", ...shared, content: "shared" },
    ]);
    const [a, b, c] = indexCpio(memory(archive), "x.rpm");
    expect([a?.size, b?.size]).toEqual([6, 6]);
    expect([a?.offset, b?.offset]).toEqual([c?.offset, c?.offset]);
    expect(archive.toString("latin1", a?.offset, (a?.offset ?? 0) + 6)).toBe("shared");
  });

  test("with very many names of one empty file is read in time", () => {
    const names = Array.from({ length: 100_000 }, (_, index) => ({ path: `f${index}`, mode: 0o100644 }));
    const archive = cpio(names.map((name) => ({ ...name, inode: 7, links: names.length })));
    expect(indexCpio(memory(archive), "x.rpm").length).toBe(names.length);
  });

  test.each<[string, () => Buffer, string]>([
    ["something else", () => Buffer.alloc(200), "it is no RPM package"],
    ["cut off in its headers", () => rpm(Buffer.from("x")).subarray(0, 120), "it is cut off"],
    ["of another format", () => rpm(Buffer.from("x"), "gzip", "drpm"), "'drpm'".replaceAll("'", '"')],
    ["packed with something unknown", () => rpm(Buffer.from("x"), "pied-piper"), "pied-piper"],
    ["packed with a method", () => rpm(Buffer.from("x"), "constructor"), '"constructor", which is unknown'],
  ])("%s is refused", (_, make, message) => {
    expect(failureOf(() => findInRpm(memory(make()), "x.rpm"))).toMatchObject({
      code: "bad-package-file",
      message: expect.stringContaining(message),
    });
  });

  test.each([
    ["a way out", [{ path: "../../etc/passwd", mode: 0o100644, content: "x" }], "leads outside"],
    ["a name that is no text", [{ path: "a\0b", mode: 0o100644 }], "not valid text"],
  ])("with %s is refused", (_, files, message) => {
    expect(failureOf(() => indexCpio(memory(cpio(files)), "x.rpm")).message).toContain(message);
  });
});

test("damaged anywhere: a CapstanError, or a result", () => {
  const good = [toolDeb("gzip"), rpm(gzipSync(cpio(FILES))), cpio(FILES)];
  fc.assert(
    fc.property(fc.nat(2), fc.nat(), fc.nat(255), fc.nat(), (which, at, value, end) => {
      const file = Buffer.from(good[which] ?? Buffer.alloc(0));
      file[at % file.length] = value;
      const cut = memory(file.subarray(0, file.length - (end % 3 === 0 ? end % file.length : 0)));
      try {
        if (which === 0) findInDeb(cut, "x", "data");
        else if (which === 1) findInRpm(cut, "x");
        else indexCpio(cut, "x");
      } catch (error) {
        if (!(error instanceof CapstanError)) throw error;
      }
    }),
  );
});
