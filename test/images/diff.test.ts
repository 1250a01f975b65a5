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
])("%s", (_, after, expected) => {
  expect(diffTrees(treeOf(before), treeOf(after), options)).toMatchObject(expected);
});

test("what is gone is told with its size, in the order of the paths", () => {
  const { "/d/gone": _, ...after } = before;
  expect(diffTrees(treeOf(before), treeOf({ ...after, "/b": "" }), options)).toEqual([
    { path: "/b", change: "added", type: "file", before: null, after: 0 },
    { path: "/d/gone", change: "removed", type: "file", before: 2, after: null },
  ]);
});

test("modes count only when they are asked for", () => {
  const [a, b] = [treeOf({ "/f": "" }, 0o644), treeOf({ "/f": "" }, 0o755)];
  expect(diffTrees(a, b, options)).toMatchObject([{ path: "/f", what: "mode" }]);
  expect(diffTrees(a, b, { ...options, modes: false })).toEqual([]);
});

test("a difference in the last byte of a file of several MiB is seen", () => {
  const [one, other] = [Buffer.alloc(3_000_001, 1), Buffer.alloc(3_000_001, 1)];
  other[3_000_000] = 2;
  expect(diffTrees(treeOf({ "/f": one }), treeOf({ "/f": other }), options)).toHaveLength(1);
  expect(diffTrees(treeOf({ "/f": one }), treeOf({ "/f": Buffer.from(one) }), options)).toEqual([]);
});
