import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { provenanceOf, readProvenance, stageProvenance } from "../../src/compose/provenance.ts";
import { sourceFinder } from "../../src/images/file-sources.ts";
import { temporaryFolder } from "../packages/support.ts";
import { treeOf } from "./trees.ts";

const stream = { name: "/store/libs.mpm", open: () => (async function* () {})() };
const common = { type: "file", mode: 0o644, mtime: 0 } as const;

function image() {
  const tree = treeOf({ "/etc/hosts": "made" });
  tree.children.set("lib", { ...common, origin: "libs", size: 7, content: { kind: "extent", stream, offset: 0 } });
  tree.children.set("own", { ...common, origin: "app", size: 3, content: { kind: "host", path: "/work/app/own" } });
  return tree;
}

test("what is written beside an image is read again", () => {
  const folder = temporaryFolder();
  const { path } = stageProvenance(join(folder, "app.qemu"), {
    tree: image(),
    loader: "osv-loader",
    project: { name: "app", version: "1.0", folder: "/work/app" },
    versions: new Map([["libs", "2.1"]]),
  });
  const provenance = readProvenance(path);
  expect(provenance).toMatchObject({ loader: "osv-loader", project: { name: "app", version: "1.0" } });
  const sourceOf = sourceFinder({ provenance, tree: image(), name: "app" }, { env: {} });
  expect(sourceOf("/lib", 7)).toEqual({ kind: "package", name: "libs", version: "2.1" });
  expect(sourceOf("/own", 3)).toMatchObject({ kind: "project", name: "app", version: "1.0", path: "/work/app/own" });
  expect(sourceOf("/etc/hosts", 4)).toMatchObject({ kind: "made" });
  expect(sourceOf("/own", 4)).toMatchObject({ kind: "unknown" });
  expect(sourceOf("/other", 0)).toMatchObject({ kind: "unknown" });
});

test("what an amended image has of its base is what the base says of it", () => {
  const folder = temporaryFolder();
  const base = readProvenance(stageProvenance(join(folder, "b"), { tree: image(), loader: "l" }).path);
  const device = { size: 10, read: () => {} };
  const tree = treeOf({});
  for (const [name, size] of [
    ["lib", 7],
    ["unheard", 1],
  ] as const) {
    tree.children.set(name, { ...common, origin: "", size, content: { kind: "device", device, offset: 0 } });
  }
  const { path } = stageProvenance(join(folder, "a"), { tree, loader: "l", base: { name: "base", provenance: base } });
  expect(readProvenance(path)?.files.get("/lib")?.part).toMatchObject({ kind: "package", name: "libs" });
  expect(readProvenance(path)?.files.get("/unheard")?.part).toMatchObject({ kind: "base", name: "base" });
});

test.each(["", "{}", "[]", '{"format":1}', '{"format":1,"loader":"l","parts":[],"files":[["/a"]]}', "\0\0"])(
  "%j is taken for nothing",
  (text) => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "x.sources"), text);
    expect(provenanceOf(join(folder, "x.qemu"))).toBeUndefined();
  },
);

test("numbers of parts that are not there are passed over", () => {
  const folder = temporaryFolder();
  const path = join(folder, "x.sources");
  writeFileSync(
    path,
    '{"format":1,"loader":"l","parts":[{"kind":"evil","name":"x"}],"files":[["/a",1,0],["/b",1,99]]}',
  );
  expect(readProvenance(path)?.files.get("/a")).toEqual({ size: 1, part: undefined });
  expect(readProvenance(path)?.files.get("/b")).toEqual({ size: 1, part: undefined });
});

test("where nothing is recorded, the package manager in the image is asked", () => {
  const tree = treeOf({
    "/var/lib/dpkg/status": "Package: base-files\nStatus: install ok installed\nVersion: 12.4\nArchitecture: amd64\n\n",
    "/var/lib/dpkg/info/base-files.list": "/.\n/etc\n/etc/issue\n",
    "/etc/issue": "Debian\n",
  });
  const sourceOf = sourceFinder({ provenance: undefined, tree, name: "app" }, { env: {} });
  expect(sourceOf("/etc/issue", 7)).toEqual({
    kind: "distribution",
    name: "base-files",
    version: "12.4",
    manager: "dpkg",
  });
});
