import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { buildPackage } from "../../src/packages/build-package.ts";
import type { Layout } from "../../src/store/layout.ts";
import {
  findPackage,
  importPackage,
  importProject,
  listPackages,
  packageCells,
  packageNames,
  readStoredIndex,
  readStoredManifest,
  removePackage,
  tryFindPackage,
} from "../../src/store/packages.ts";
import { failureOf, manifestOf, temporaryFolder, testContext, writeFiles } from "../packages/support.ts";
import { end, file } from "../packages/tar/tar-fixtures.ts";
import { filesBelow, fill, temporaryStore } from "./support.ts";

function project(name: string, more = "", files: Readonly<Record<string, string>> = {}): string {
  const folder = temporaryFolder();
  writeFiles(folder, { "meta/package.yaml": manifestOf(name, more), ...files });
  return folder;
}

function storeProject(layout: Layout, folder: string) {
  return importProject(layout, folder, testContext("/"));
}

describe("listing", () => {
  test("a store that is not there has no packages", () => {
    const layout = temporaryStore();
    expect(listPackages(layout)).toEqual([]);
    expect(existsSync(layout.root)).toBe(false);
  });

  test("broken manifests are listed with the reason and hide no others; half a package is none", () => {
    const layout = temporaryStore();
    fill(layout.packages, {
      "a.mpm": "m",
      "a.yaml": manifestOf("a", "version: 0.10\ncreated: 2017-09-14 18:08\nplatform: Ubuntu-14.04\n"),
      "b.mpm": "m",
      "b.yaml": "name: b\ntitle: [\n",
      "c.mpm": "m",
      "c.yaml": "name: c\n",
      "d.mpm": "m",
      "d.yaml": manifestOf("d", "unknown_key: is no error here\n"),
      "only-archive.mpm": "m",
      "only-manifest.yaml": manifestOf("only-manifest"),
      ".hidden.mpm": "m",
      ".hidden.yaml": manifestOf("hidden"),
    });
    symlinkSync("loop.mpm", join(layout.packages, "loop.mpm"));
    writeFileSync(join(layout.packages, "loop.yaml"), manifestOf("loop"));
    const packages = listPackages(layout);
    expect(packages.map(({ name, problem }) => [name, problem === undefined])).toEqual([
      ["a", true],
      ["b", false],
      ["c", false],
      ["d", true],
    ]);
    expect(packages[1]?.problem).toContain("b.yaml:3:");
    expect(packages.map(packageCells)).toEqual([
      ["a", "The a", "0.10", "2017-09-14 18:08", "Ubuntu-14.04"],
      ["b", "", "", "N/A", ""],
      ["c", "", "", "N/A", ""],
      ["d", "The d", "", "N/A", ""],
    ]);
  });

  test("OSv's scripts make links to files with an architecture in their name", () => {
    const layout = temporaryStore();
    fill(layout.packages, { "osv.x.mpm.x86_64": "m", "osv.x.yaml": manifestOf("osv.x") });
    symlinkSync("osv.x.mpm.x86_64", join(layout.packages, "osv.x.mpm"));
    expect(packageNames(layout)).toEqual(["osv.x"]);
  });
});

describe("finding", () => {
  test("a package is there when both of its files are", async () => {
    const layout = temporaryStore();
    fill(layout.packages, { "osv.libz.mpm": "m", "osv.libz.yaml": manifestOf("osv.libz"), "half.mpm": "m" });
    expect(findPackage(layout, "osv.libz")).toEqual({
      name: "osv.libz",
      archive: join(layout.packages, "osv.libz.mpm"),
      manifest: join(layout.packages, "osv.libz.yaml"),
    });
    expect(tryFindPackage(layout, "half")).toBeUndefined();
    const error = await failureOf(() => findPackage(layout, "osv.lbiz"));
    expect(error).toMatchObject({ code: "package-missing", exitCode: 66 });
    expect(error.hint).toMatch(/'osv.libz'.*capstan package pull osv.lbiz/);
  });

  test("the manifest that counts is the one beside the archive", async () => {
    const layout = temporaryStore();
    const stored = await storeProject(layout, project("p", "version: 1\n"));
    writeFileSync(stored.manifest, manifestOf("p", "version: 2\nrequire:\n- q\n"));
    expect(readStoredManifest(stored)).toMatchObject({ version: "2", require: ["q"] });
    rmSync(stored.manifest);
    expect((await failureOf(() => readStoredManifest(stored))).code).toBe("package-missing");
  });
});

describe("importing", () => {
  test("a project goes in without leaving anything in its folder; comments of the manifest survive", async () => {
    const layout = temporaryStore();
    const folder = project("p", "# a comment\nversion: 1.50\n", { "bin/app": "app" });
    const before = filesBelow(folder);
    const stored = await storeProject(layout, folder);
    expect(filesBelow(folder)).toEqual(before);
    expect(readdirSync(layout.packages).sort()).toEqual(["p.mpm", "p.yaml"]);
    expect(readFileSync(stored.manifest, "utf8")).toBe(manifestOf("p", "# a comment\nversion: 1.50\n"));
    expect(execFileSync("tar", ["tzPf", stored.archive], { encoding: "utf8" })).toContain("/bin/app\n");
  });

  test("an .mpm goes in under the name of its manifest, whatever the file is called", async () => {
    const layout = temporaryStore();
    const folder = project("p", "", { a: "1" });
    const { path } = await buildPackage(folder, { output: "other.mpm" }, testContext(folder));
    const stored = await importPackage(layout, "other.mpm", testContext(folder));
    expect(stored.name).toBe("p");
    expect(readFileSync(stored.archive).equals(readFileSync(path))).toBe(true);
  });

  test("again replaces both files; the index is at hand without unpacking", async () => {
    const layout = temporaryStore();
    await storeProject(layout, project("p", "version: 1\n", { old: "1" }));
    const stored = await storeProject(layout, project("p", "version: 2\n", { new: "1" }));
    expect(readStoredManifest(stored).version).toBe("2");
    const [cached] = readdirSync(layout.packageIndexes);
    const path = join(layout.packageIndexes, cached ?? "");
    writeFileSync(path, readFileSync(path, "utf8").replace('["new",', '["cached",'));
    const index = await readStoredIndex(layout, stored, testContext("/"));
    expect(index.entries.map((entry) => entry.path)).toEqual(["", "meta", "meta/package.yaml", "cached"]);
    expect(readdirSync(layout.packageIndexes)).toHaveLength(1);
  });

  test.each<[string, (folder: string) => string, string]>([
    ["that is missing", (folder) => join(folder, "none.mpm"), "os-enoent"],
    ["that is a folder", (folder) => folder, "not-a-file"],
    ["that is a FIFO", (folder) => fifo(folder), "not-a-file"],
    ["that is none", (folder) => written(folder, Buffer.from("<html>".padEnd(2000))), "archive-not-tar"],
    [
      "that is cut off",
      (folder) => written(folder, gzipSync(Buffer.concat([file("a"), end()])).subarray(0, 40)),
      "archive-damaged",
    ],
    ["without a manifest", (folder) => written(folder, Buffer.concat([file("a"), end()])), "package-without-manifest"],
    [
      "with a bad manifest",
      (folder) => written(folder, Buffer.concat([file("meta/package.yaml", "name: ../../x\n"), end()])),
      "bad-yaml",
    ],
    [
      "D5: with a name that leads outside",
      (folder) => written(folder, Buffer.concat([file("meta/package.yaml", manifestOf("p")), file("../../x"), end()])),
      "archive-unsafe-entry",
    ],
  ])("an .mpm %s is refused, and what was there stays", async (_, make, code) => {
    const layout = temporaryStore();
    const stored = await storeProject(layout, project("p", "version: old\n"));
    const before = filesBelow(layout.root);
    const archive = readFileSync(stored.archive);
    const error = await failureOf(() => importPackage(layout, make(temporaryFolder()), testContext("/")));
    expect(error.code).toBe(code);
    expect(filesBelow(layout.root)).toEqual(before);
    expect(readFileSync(stored.archive).equals(archive)).toBe(true);
    expect(readStoredManifest(stored).version).toBe("old");
  });

  test("a reader never sees half a package, however many are imported at once", async () => {
    const layout = temporaryStore();
    const folders = Array.from({ length: 6 }, (_, index) =>
      project("p", `version: v${index}\n`, { [`file${index}`]: "x".repeat(20_000) }),
    );
    let running = true;
    const reading = (async () => {
      let seen = 0;
      for (; running; await new Promise((resolve) => setTimeout(resolve, 1))) {
        for (const { problem } of listPackages(layout)) {
          expect(problem).toBeUndefined();
          seen++;
        }
      }
      return seen;
    })();
    for (let round = 0; round < 3; round++) await Promise.all(folders.map((folder) => storeProject(layout, folder)));
    running = false;
    expect(await reading).toBeGreaterThan(0);
    const stored = findPackage(layout, "p");
    const { version } = readStoredManifest(stored);
    const index = await readStoredIndex(layout, stored, testContext("/"));
    expect(index.manifestText).toContain(`version: ${version}\n`);
    expect(readdirSync(layout.packages).sort()).toEqual(["p.mpm", "p.yaml"]);
  });
});

test("removing takes both files and the index", async () => {
  const layout = temporaryStore();
  await storeProject(layout, project("p"));
  await storeProject(layout, project("q"));
  await removePackage(layout, "p");
  expect(readdirSync(layout.packages).sort()).toEqual(["q.mpm", "q.yaml"]);
  expect(readdirSync(layout.packageIndexes)).toHaveLength(1);
  expect((await failureOf(() => removePackage(layout, "p"))).code).toBe("package-missing");
});

test("what killed imports left is never a package", () => {
  const layout = temporaryStore();
  mkdirSync(layout.packages, { recursive: true });
  fill(layout.packages, {
    ".incoming.mpm.1-01234567.part": "m",
    ".incoming.yaml.1-01234567.part": manifestOf("incoming"),
  });
  expect(packageNames(layout)).toEqual([]);
});

function written(folder: string, content: Uint8Array): string {
  const path = join(folder, "x.mpm");
  writeFileSync(path, content);
  return path;
}

function fifo(folder: string): string {
  execFileSync("mkfifo", [join(folder, "fifo")]);
  return join(folder, "fifo");
}
