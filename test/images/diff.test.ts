import { expect, test } from "vitest";
import { diffTrees } from "../../src/images/diff.ts";
import { treeOf } from "./trees.ts";

const options = { modes: true, signal: new AbortController().signal };
const before = { "/a": "one", "/d/same": "x", "/d/gone": "yy", "/l": "-> /a", "/t": "file" };

test.each<[string, Record<string, string>, object[]]>([
  ["nothing", before, []],
  [
    "a file of another size",
    { ...before, "/a": "longer" },
    [{ path: "/a", change: "changed", what: "content", before: 3, after: 6 }],
  ],
  [
    "a file of the same size",
    { ...before, "/a": "two" },
    [{ path: "/a", change: "changed", what: "content", before: 3, after: 3 }],
  ],
  ["a link", { ...before, "/l": "-> /t" }, [{ path: "/l", change: "changed", what: "target" }]],
  [
    "a link in place of a file",
    { ...before, "/t": "-> /a" },
    [{ path: "/t", change: "changed", what: "type", before: 4, after: null }],
  ],
  [
    "new ones with their folder",
    { ...before, "/n/f": "12345" },
    [
      { path: "/n", change: "added", type: "directory", after: null },
      { path: "/n/f", change: "added", before: null, after: 5 },
    ],
  ],
])("%s", async (_, after, expected) => {
  expect(await diffTrees(treeOf(before), treeOf(after), options)).toMatchObject(expected);
});

test("what is gone is told with its size, in the order of the paths", async () => {
  const { "/d/gone": _, ...after } = before;
  expect(await diffTrees(treeOf(before), treeOf({ ...after, "/b": "" }), options)).toEqual([
    { path: "/b", change: "added", type: "file", before: null, after: 0 },
    { path: "/d/gone", change: "removed", type: "file", before: 2, after: null },
  ]);
});

test("modes count only when they are asked for", async () => {
  const [a, b] = [treeOf({ "/f": "" }, 0o644), treeOf({ "/f": "" }, 0o755)];
  expect(await diffTrees(a, b, options)).toMatchObject([{ path: "/f", what: "mode" }]);
  expect(await diffTrees(a, b, { ...options, modes: false })).toEqual([]);
});

test("a difference in the last byte of a file of several MiB is seen", async () => {
  const [one, other] = [Buffer.alloc(3_000_001, 1), Buffer.alloc(3_000_001, 1)];
  other[3_000_000] = 2;
  expect(await diffTrees(treeOf({ "/f": one }), treeOf({ "/f": other }), options)).toHaveLength(1);
  expect(await diffTrees(treeOf({ "/f": one }), treeOf({ "/f": Buffer.from(one) }), options)).toEqual([]);
});

test("files that are all but endless can be interrupted", async () => {
  const ending = new AbortController();
  const size = 2 ** 50;
  const device = { size, read: (target: Uint8Array) => void target.fill(0) };
  const tree = treeOf({});
  const content = { kind: "device", device, offset: 0 } as const;
  tree.children.set("vast", { type: "file", mode: 0o644, mtime: 0, origin: "x", size, content });
  setTimeout(() => ending.abort(), 20);
  const comparing = diffTrees(tree, tree, { modes: true, signal: ending.signal });
  await expect(comparing).rejects.toMatchObject({ code: "interrupted" });
});
