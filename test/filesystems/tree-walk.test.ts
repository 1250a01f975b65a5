import { describe, expect, test } from "vitest";
import { createTree, insert } from "../../src/filesystems/tree-builder.ts";
import { lookup, measureTree, walk } from "../../src/filesystems/tree-walk.ts";
import { file, tree } from "./trees.ts";

const root = tree({
  bin: ["usr/bin"],
  usr: { bin: { sh: "#!", up: ["../../etc"], deep: { x: "1" } } },
  etc: { passwd: "root", self: ["self"], gone: ["/nowhere"], top: ["../../.."], abs: ["/usr/bin/sh"] },
});

describe("lookup", () => {
  test.each([
    ["/", root],
    ["", root],
    ["/usr/bin/sh", "#!"],
    ["usr//bin/./sh", "#!"],
    ["/bin/sh", "#!"],
    ["/bin/up/passwd", "root"],
    ["/bin/deep/../sh", "#!"],
    ["/etc/abs", "#!"],
    ["/etc/top/etc/passwd", "root"],
    ["/../../etc/passwd", "root"],
    ["/etc/self", undefined],
    ["/etc/gone", undefined],
    ["/etc/passwd/x", undefined],
    ["/etc/passwd/", undefined],
    ["/no", undefined],
  ])("%s", (path, expected) => {
    const found = lookup(root, path);
    if (typeof expected === "string") expect(found).toMatchObject({ content: { bytes: Buffer.from(expected) } });
    else expect(found).toBe(expected);
  });

  test("without follow, the link itself; on the way to it, links are followed all the same", () => {
    expect(lookup(root, "/bin", { follow: false })).toMatchObject({ target: "usr/bin" });
    expect(lookup(root, "/bin/up", { follow: false })).toMatchObject({ target: "../../etc" });
    expect(lookup(root, "/etc/self", { follow: false })).toMatchObject({ target: "self" });
    expect(lookup(root, "/bin/", { follow: false })).toMatchObject({ type: "directory" });
  });
});

describe("walk", () => {
  test("directories come before what they hold, names in the order of their bytes", () => {
    const sample = tree({ b: { z: "", "😀": "", "\ufffd": "" }, a: "", "a.b": "", B: {} });
    expect([...walk(sample)].map(({ path }) => path)).toEqual(["/B", "/a", "/a.b", "/b", "/b/z", "/b/\ufffd", "/b/😀"]);
  });

  test("goes as deep as paths can", () => {
    const deep = createTree();
    insert(deep, `${"/d".repeat(2046)}/f`, file("x"));
    expect([...walk(deep)]).toHaveLength(2047);
    expect(measureTree(deep)).toEqual({ files: 1, links: 0, directories: 2046, bytes: 1 });
  });
});

test("totals", () => {
  expect(measureTree(root)).toEqual({ files: 3, links: 6, directories: 4, bytes: 7 });
  expect(measureTree(tree({}))).toEqual({ files: 0, links: 0, directories: 0, bytes: 0 });
});
