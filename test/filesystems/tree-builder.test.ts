import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { FileTree, TreeEntry } from "../../src/filesystems/filetree.ts";
import { createTree, insert, type Replacement } from "../../src/filesystems/tree-builder.ts";
import { lookup } from "../../src/filesystems/tree-walk.ts";
import {
  entry,
  file,
  link,
  nameArbitrary,
  outline,
  type Sketch,
  type SketchFolder,
  tree,
  treeArbitrary,
} from "./trees.ts";

/** Lays `later` over `before` at "/x", each from its own origin, and tells what came of it. */
function merged(
  before: Sketch | undefined,
  later: TreeEntry,
  around = {},
): { lines: string[]; reports: Replacement[] } {
  const base = createTree();
  insert(base, "/", tree({ ...around, ...(before === undefined ? {} : { x: before }) }, "base"));
  const reports: Replacement[] = [];
  insert(base, "/x", later, { onReplace: (replacement) => reports.push(replacement) });
  return { lines: outline(base), reports };
}

const FILE = file("new", "app");
const LINK = link("to", "app");
const FOLDER = entry({ in: "new" }, "app");
const report = (before: string, after: string, through?: string) => ({
  path: "/x",
  before: { type: before, origin: "base" },
  after: { type: after, origin: "app" },
  ...(through === undefined ? {} : { through }),
});

describe("the rules of merging, cell by cell", () => {
  test.each<[string, Sketch | undefined, TreeEntry, string[], object[]]>([
    ["file over nothing", undefined, FILE, ["/x 'new'"], []],
    ["link over nothing", undefined, LINK, ["/x -> to"], []],
    ["directory over nothing", undefined, FOLDER, ["/x/", "/x/in 'new'"], []],
    ["file over file", "old", FILE, ["/x 'new'"], [report("file", "file")]],
    ["link over file", "old", LINK, ["/x -> to"], [report("file", "symlink")]],
    ["directory over file", "old", FOLDER, ["/x/", "/x/in 'new'"], [report("file", "directory")]],
    ["file over link to nothing", ["gone"], FILE, ["/x 'new'"], [report("symlink", "file")]],
    ["link over link to nothing", ["gone"], LINK, ["/x -> to"], [report("symlink", "symlink")]],
    ["directory over link to nothing", ["gone"], FOLDER, ["/x/", "/x/in 'new'"], [report("symlink", "directory")]],
    ["directory over link to itself", ["x"], FOLDER, ["/x/", "/x/in 'new'"], [report("symlink", "directory")]],
    ["file over empty directory", {}, FILE, ["/x 'new'"], [report("directory", "file")]],
    ["link over empty directory", {}, LINK, ["/x -> to"], [report("directory", "symlink")]],
    ["directory over empty directory", {}, FOLDER, ["/x/", "/x/in 'new'"], []],
    ["directory over directory", { old: "o" }, FOLDER, ["/x/", "/x/in 'new'", "/x/old 'o'"], []],
  ])("%s", (_name, before, later, lines, reports) => {
    expect(merged(before, later)).toEqual({ lines, reports });
  });

  const target = { dir: { old: "o" }, file: "f" };
  test.each<[string, TreeEntry, string[], object[]]>([
    ["file", FILE, ["/dir/", "/dir/old 'o'", "/file 'f'", "/x 'new'"], [report("symlink", "file")]],
    ["link", LINK, ["/dir/", "/dir/old 'o'", "/file 'f'", "/x -> to"], [report("symlink", "symlink")]],
    [
      "directory",
      FOLDER,
      ["/dir/", "/dir/in 'new'", "/dir/old 'o'", "/file 'f'", "/x -> dir"],
      [report("symlink", "directory", "/dir")],
    ],
  ])("%s over a link to a directory", (_name, later, lines, reports) => {
    expect(merged(["dir"], later, target)).toEqual({ lines, reports });
  });

  test.each<[string, TreeEntry, string[], object[]]>([
    ["file", FILE, ["/dir/", "/dir/old 'o'", "/file 'f'", "/x 'new'"], [report("symlink", "file")]],
    ["link", LINK, ["/dir/", "/dir/old 'o'", "/file 'f'", "/x -> to"], [report("symlink", "symlink")]],
    [
      "directory",
      FOLDER,
      ["/dir/", "/dir/old 'o'", "/file 'f'", "/x/", "/x/in 'new'"],
      [report("symlink", "directory")],
    ],
  ])("%s over a link to a file never touches the file", (_name, later, lines, reports) => {
    expect(merged(["/file"], later, target)).toEqual({ lines, reports });
  });

  test.each<[string, TreeEntry]>([
    ["file", FILE],
    ["link", LINK],
  ])("a %s over a directory with entries is an error that names both", (_name, later) => {
    expect(() => merged({ old: "o" }, later)).toThrow(
      expect.objectContaining({ code: "tree-conflict", message: expect.stringMatching(/'\/x'.*base.*app/) }),
    );
  });

  test.each<[string, Sketch]>([
    ["a file", "old"],
    ["a dangling link", ["gone"]],
    ["a link to a file", ["file"]],
    ["a link to itself", ["x"]],
  ])("%s where a later path needs a directory is an error that names both", (_name, before) => {
    const base = createTree();
    insert(base, "/", tree({ x: before, file: "f" }, "base"));
    expect(() => insert(base, "/x/y", FILE)).toThrow(
      expect.objectContaining({ code: "tree-conflict", message: expect.stringMatching(/'\/x'.*base.*app/) }),
    );
  });
});

describe("implied directories", () => {
  test("missing parents are made, 0755", () => {
    const base = createTree();
    insert(base, "a/b/c", FILE);
    expect(outline(base)).toEqual(["/a/", "/a/b/", "/a/b/c 'new'"]);
    expect(lookup(base, "/a/b")).toMatchObject({ mode: 0o755, mtime: 0, origin: "app", implied: true });
  });

  test("give way to a listed one, before or after it", () => {
    for (const order of [
      ["/tmp/file", "/tmp"],
      ["/tmp", "/tmp/file"],
    ]) {
      const base = createTree();
      for (const path of order) {
        insert(base, path, path === "/tmp" ? { ...tree({}, "base"), mode: 0o1777, mtime: 7 } : FILE);
      }
      expect(lookup(base, "/tmp")).toMatchObject({ mode: 0o1777, mtime: 7, origin: "base" });
      expect(lookup(base, "/tmp")).not.toHaveProperty("implied");
    }
  });

  test("of a package do not change the mode of a listed directory when the package is merged", () => {
    const base = createTree();
    insert(base, "/", { ...tree({}, "base"), mode: 0o700 });
    insert(base, "/tmp", { ...tree({}, "base"), mode: 0o1777 });
    const app = createTree();
    insert(app, "/tmp/file", FILE);
    insert(base, "/", app);
    expect(base.mode).toBe(0o700);
    expect(lookup(base, "/tmp")).toMatchObject({ mode: 0o1777, origin: "base" });
    expect(outline(base)).toEqual(["/tmp/", "/tmp/file 'new'"]);
  });
});

describe("a merged /usr", () => {
  const base = () => {
    const root = createTree();
    insert(root, "/", tree({ lib: ["usr/lib"], usr: { lib: { a: "1" } } }, "base"));
    return root;
  };
  const expected = ["/lib -> usr/lib", "/usr/", "/usr/lib/", "/usr/lib/a '1'", "/usr/lib/x 'new'"];

  test("takes in /lib/x, whether the package lists /lib or not", () => {
    const listed = base();
    insert(listed, "/lib", tree({}, "app"));
    insert(listed, "/lib/x", FILE);
    const unlisted = base();
    insert(unlisted, "/lib/x", FILE);
    const whole = base();
    insert(whole, "/", tree({ lib: { x: "new" } }, "app"));
    expect(outline(listed)).toEqual(expected);
    expect(outline(unlisted)).toEqual(expected);
    expect(outline(whole)).toEqual(expected);
  });

  test("says so, with the paths of the package", () => {
    const reports: Replacement[] = [];
    insert(base(), "/", tree({ lib: { x: "new", a: "2" } }, "app"), { onReplace: (one) => reports.push(one) });
    expect(reports).toEqual([
      {
        path: "/lib",
        before: { type: "symlink", origin: "base" },
        after: { type: "directory", origin: "app" },
        through: "/usr/lib",
      },
      { path: "/lib/a", before: { type: "file", origin: "base" }, after: { type: "file", origin: "app" } },
    ]);
  });

  test.each<[string, SketchFolder]>([
    ["relative", { a: { b: ["../t"] }, t: {} }],
    ["absolute", { a: { b: ["/t"] }, t: {} }],
    ["beyond the root, which is the root", { a: { b: ["../../../../t"] }, t: {} }],
    ["through other links", { a: { b: ["c"], c: ["/d"] }, d: ["t/."], t: {} }],
  ])("links are followed inside the tree: %s", (_name, folder) => {
    const root = createTree();
    insert(root, "/", tree(folder, "base"));
    insert(root, "/a/b/x", FILE);
    expect(lookup(root, "/t/x")).toBe(FILE);
  });

  test("after 40 links there is no way on", () => {
    const links = (count: number) =>
      Object.fromEntries([...Array(count)].map((_, index): [string, Sketch] => [`l${index}`, [`l${index + 1}`]]));
    const near = createTree();
    insert(near, "/", tree({ ...links(40), l40: {} }));
    insert(near, "/l0/x", FILE);
    expect(lookup(near, "/l40/x")).toBe(FILE);
    const far = createTree();
    insert(far, "/", tree({ ...links(41), l41: {} }));
    expect(() => insert(far, "/l0/x", FILE)).toThrow(expect.objectContaining({ code: "tree-conflict" }));
  });
});

describe("what is refused", () => {
  test.each(["/a/../b", "..", "/./a", "a//b", "a/", `/${"n".repeat(256)}`, "/a\0b", "/\ud800/b"])(
    "D5: the path %j",
    (path) => {
      const root = createTree();
      expect(() => insert(root, path, FILE)).toThrow(expect.objectContaining({ code: "bad-name" }));
    },
  );

  test("bad names in a directory that is merged", () => {
    const bad = { ...tree({}), children: new Map([["..", FILE]]) };
    expect(() => insert(createTree(), "/", bad)).toThrow(expect.objectContaining({ code: "bad-name" }));
  });

  test("paths beyond 4095 bytes, also those that only a link makes so long", () => {
    const deep = (levels: number) => "/abcdefghi".repeat(levels);
    const root = createTree();
    insert(root, deep(409), FILE);
    expect(() => insert(root, `${deep(408)}/x/abcdefghi012`, FILE)).not.toThrow();
    expect(() => insert(root, `${deep(408)}/abcdefghi012345`, FILE)).toThrow(
      expect.objectContaining({ code: "path-too-long" }),
    );
    insert(root, "/short", link(deep(408)));
    expect(() => insert(root, "/short/abcdefghi0123456", FILE)).toThrow(
      expect.objectContaining({ code: "path-too-long" }),
    );
  });

  test("a root that is no directory", () => {
    expect(() => insert(createTree(), "/", FILE)).toThrow(expect.objectContaining({ code: "tree-conflict" }));
  });
});

describe("algebra", () => {
  const plain = (root: FileTree) => outline(root);

  test("a tree that is inserted into an empty one stays what it is, and is not shared", () => {
    fc.assert(
      fc.property(treeArbitrary, (source) => {
        const copy = createTree();
        insert(copy, "/", source);
        expect(plain(copy)).toEqual(plain(source));
        const before = plain(source);
        insert(copy, "/zz/new", FILE);
        expect(plain(source)).toEqual(before);
      }),
      { numRuns: 50 },
    );
  });

  test("merging a tree twice is merging it once", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.array(nameArbitrary, { minLength: 1, maxLength: 3 }), fc.boolean())),
        (entries) => {
          // Without links: a second pass may go through those that the first has placed.
          const source = createTree();
          for (const [names, isFile] of entries) {
            try {
              insert(source, names.join("/"), isFile ? FILE : tree({}));
            } catch (error) {
              expect(error).toMatchObject({ code: "tree-conflict" });
            }
          }
          const once = createTree();
          insert(once, "/", source);
          const lines = plain(once);
          insert(once, "/", source);
          expect(plain(once)).toEqual(lines);
        },
      ),
      { numRuns: 50 },
    );
  });
});
