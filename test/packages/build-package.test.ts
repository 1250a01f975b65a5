import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  linkSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { buildPackage, packageTime } from "../../src/packages/build-package.ts";
import { packageManifest, readPackageIndex } from "../../src/packages/package-index.ts";
import { failureOf, manifestOf, temporaryFolder, testContext, writeFiles } from "./support.ts";

function project(files: Readonly<Record<string, string>> = {}, manifest = manifestOf("demo")): string {
  const folder = temporaryFolder();
  writeFiles(folder, { "meta/package.yaml": manifest, ...files });
  return folder;
}

async function build(folder: string, output?: string): Promise<string> {
  return (await buildPackage(".", { output }, testContext(folder))).path;
}

function listing(path: string): string[] {
  return execFileSync("tar", ["tzPf", path, "--quoting-style=literal"], { encoding: "utf8" }).trim().split("\n");
}

test("a package holds the project with its meta folder, as GNU tar lists it", async () => {
  const folder = project({ "meta/README.md": "# Demo\n", "file.txt": "f", "data/data-file.txt": "d" });
  symlinkSync("/etc/hosts", join(folder, "data", "hosts"));
  linkSync(join(folder, "file.txt"), join(folder, "same.txt"));
  const path = await build(folder);
  expect(path).toBe(join(folder, "demo.mpm"));
  expect(listing(path)).toEqual([
    "/",
    "/data/",
    "/data/data-file.txt",
    "/data/hosts",
    "/file.txt",
    "/meta/",
    "/meta/README.md",
    "/meta/package.yaml",
    "/same.txt",
  ]);
  const index = await readPackageIndex(path, { context: testContext(folder) });
  expect(packageManifest(index)).toMatchObject({ name: "demo", title: "The demo" });
  expect(index.readmeText).toBe("# Demo\n");
});

test("built twice, elsewhere, at another time, with other modes and owners, the bytes are the same", async () => {
  const files = { "b/x": "1", "b.txt": "2", "bin/run": "#!/bin/sh\n" };
  const [first, second] = [project(files), project(Object.fromEntries(Object.entries(files).reverse()))];
  for (const [folder, mode] of [
    [first, 0o700],
    [second, 0o6755],
  ] as const)
    chmodSync(join(folder, "bin/run"), mode);
  chmodSync(join(second, "b/x"), 0o600);
  utimesSync(join(second, "b/x"), 1, 1);
  const bytes = readFileSync(await build(first));
  expect(readFileSync(await build(second)).equals(bytes)).toBe(true);
  // The package of the first time is in the folder now, and must not get into the next.
  expect(readFileSync(await build(first)).equals(bytes)).toBe(true);
  expect([...bytes.subarray(0, 10)]).toEqual([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
});

test("what is left out: .capstanignore, packages of the same name, mpm-pkg, but nothing of meta", async () => {
  const folder = project({
    ".capstanignore": "/secret\n*.o\n",
    "meta/run.yaml": "runtime: native\nconfig_set:\n  hi:\n    bootcmd: /hi\n",
    "secret/key": "s",
    "src/x.o": "o",
    "src/x.c": "c",
    "src/demo.mpm": "old",
    "other.mpm": "kept",
    ".demo.mpm.123-abcdef01.part": "another build, half done",
    "mpm-pkg/x": "collected",
    "mpm-pkg-notes": "kept",
    ".git/HEAD": "git",
    "volumes/v": "disk",
  });
  expect(listing(await build(folder))).toEqual([
    "/",
    "/meta/",
    "/meta/package.yaml",
    "/meta/run.yaml",
    "/mpm-pkg-notes",
    "/other.mpm",
    "/src/",
    "/src/x.c",
  ]);
});

test("an output in the project, under any name, does not hold itself", async () => {
  const folder = project({ a: "1" });
  writeFileSync(join(folder, "out.mpm"), "earlier");
  expect(listing(await build(folder, "out.mpm"))).toEqual(["/", "/a", "/meta/", "/meta/package.yaml"]);
});

describe("a failure leaves nothing, and the package of before as it was", () => {
  test.each<[string, (folder: string) => void, string, string]>([
    ["a FIFO", (folder) => void execFileSync("mkfifo", [join(folder, "pipe")]), "unsupported-file-type", "pipe"],
    ["no manifest", (folder) => rmSync(join(folder, "meta/package.yaml")), "", "meta/package.yaml"],
    [
      "a bad manifest",
      (folder) => writeFiles(folder, { "meta/package.yaml": "name: ../x\ntitle: t\nauthor: a\n" }),
      "bad-yaml",
      "meta/package.yaml:1:7",
    ],
    [
      "a bad run.yaml",
      (folder) => writeFiles(folder, { "meta/run.yaml": "runtime: nativ\n" }),
      "bad-yaml",
      "meta/run.yaml:1:",
    ],
  ])("%s", async (_, spoil, code, words) => {
    const folder = project({ a: "1" });
    writeFileSync(join(folder, "demo.mpm"), "earlier");
    spoil(folder);
    const before = readdirSync(folder);
    const error = await failureOf(() => build(folder));
    if (code !== "") expect(error.code).toBe(code);
    expect(error.message).toContain(words);
    expect(readdirSync(folder)).toEqual(before);
    expect(readFileSync(join(folder, "demo.mpm"), "utf8")).toBe("earlier");
  });

  test.skipIf(process.getuid?.() === 0)("D4: an unreadable file is named", async () => {
    const folder = project({ "lib/secret.so": "1" });
    chmodSync(join(folder, "lib/secret.so"), 0);
    expect((await failureOf(() => build(folder))).message).toContain("lib/secret.so");
    expect(readdirSync(folder)).not.toContain("demo.mpm");
  });

  test("an interruption in the middle", async () => {
    const folder = project({ large: "x".repeat(40_000_000) });
    const controller = new AbortController();
    const context = testContext(folder, {
      signal: controller.signal,
      reporter: { report: (event) => (event.kind === "progress" ? controller.abort() : undefined), verbose: false },
    });
    expect((await failureOf(() => buildPackage(".", {}, context))).code).toBe("interrupted");
    expect(readdirSync(folder).sort()).toEqual(["large", "meta"]);
  });
});

describe("the time of all entries", () => {
  test.each<[string | undefined, string | undefined, number]>([
    ["1700000000", "2020-01-01 00:00", 1_700_000_000],
    [undefined, "2019-09-16T07:52:38-04:00", 1_568_634_758],
    [undefined, "2017-09-14 18:08", 1_505_412_480],
    ["", "2017-09-14 18:08", 1_505_412_480],
    [undefined, undefined, 0],
    [undefined, "N/A", 0],
    [undefined, "1950-01-01 00:00", 0],
    [undefined, "9999-12-31 00:00", 0o77777777777],
  ])("SOURCE_DATE_EPOCH %s, created %s: %d", (epoch, created, expected) => {
    expect(packageTime(created === undefined ? {} : { created }, { SOURCE_DATE_EPOCH: epoch })).toBe(expected);
  });

  test("a SOURCE_DATE_EPOCH that is no number is an error", async () => {
    expect((await failureOf(() => packageTime({}, { SOURCE_DATE_EPOCH: "now" }))).code).toBe("bad-source-date-epoch");
  });

  test("it is in the archive", async () => {
    const folder = project({}, manifestOf("demo", 'created: "2017-09-14T18:08:16+02:00"\n'));
    const times = execFileSync("tar", ["tzvPf", await build(folder), "--full-time", "--utc"], { encoding: "utf8" });
    expect(
      times
        .trim()
        .split("\n")
        .every((line) => line.includes("2017-09-14 16:08:16")),
    ).toBe(true);
  });
});

test("several builds of one project at once all end with a whole package", async () => {
  const folder = project({ a: "1".repeat(3_000_000), b: "2" });
  const paths = await Promise.all(Array.from({ length: 5 }, () => build(folder)));
  expect(new Set(paths).size).toBe(1);
  expect(listing(join(folder, "demo.mpm"))).toEqual(["/", "/a", "/b", "/meta/", "/meta/package.yaml"]);
  expect(readdirSync(folder).sort()).toEqual(["a", "b", "demo.mpm", "meta"]);
});

test("the gzip program finds no fault with it", async () => {
  const path = await build(project({ a: "1".repeat(100_000) }));
  expect(spawnSync("gzip", ["-tv", "-S", ".mpm", path]).status).toBe(0);
  expect(gunzipSync(readFileSync(path)).length % 512).toBe(0);
});
