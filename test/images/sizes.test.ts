import fc from "fast-check";
import { XMLParser, XMLValidator } from "fast-xml-parser";
import { describe, expect, test } from "vitest";
import type { FileTree } from "../../src/filesystems/filetree.ts";
import { measureSizes, sizesBySource } from "../../src/images/sizes.ts";
import { drawTreemap } from "../../src/images/treemap.ts";
import { treeOf } from "./trees.ts";

const tree = treeOf({ "/usr/lib/big": "b".repeat(100), "/usr/lib/small": "s", "/etc/x": "12345", "/l": "-> /etc/x" });

test("folders have the sizes of what is in them, and the largest comes first", () => {
  const root = measureSizes(tree, "/");
  expect(root).toMatchObject({ path: "/", size: 106, files: 3 });
  expect(root.children.map(({ path, size }) => [path, size])).toEqual([
    ["/usr", 101],
    ["/etc", 5],
    ["/l", 0],
  ]);
  expect(root.children[0]?.children[0]?.children.map(({ path }) => path)).toEqual(["/usr/lib/big", "/usr/lib/small"]);
});

test("a file with two names counts once", () => {
  const linked: FileTree = treeOf({ "/a": "12345", "/b": "12345" });
  for (const [name, entry] of linked.children) {
    if (entry.type === "file") linked.children.set(name, { ...entry, hardLink: "one" });
  }
  expect(measureSizes(linked, "/")).toMatchObject({ size: 5, files: 1 });
});

test("what brought the files is added up", () => {
  const sourceOf = (path: string) => ({
    ...(path.startsWith("/usr") ? { kind: "package", name: "libs" } : { kind: "project", name: "app" }),
    version: "1",
  });
  expect(sizesBySource(measureSizes(tree, "/"), sourceOf as never)).toEqual([
    { kind: "package", name: "libs", version: "1", size: 101, files: 2 },
    { kind: "project", name: "app", version: "1", size: 5, files: 1 },
  ]);
});

describe("the picture", () => {
  const draw = (root: FileTree) => {
    const svg = drawTreemap({ title: "app", root: measureSizes(root, "/"), groupOf: ({ path }) => path.slice(0, 4) });
    expect(XMLValidator.validate(svg)).toBe(true);
    return svg;
  };
  const titles = (svg: string) => [...svg.matchAll(/<title>([^<]*)<\/title>/g)].map(([, title]) => title);

  test("has every file and folder with its size", () => {
    expect(titles(draw(tree))).toEqual([
      "/: 106 B",
      "/usr: 101 B",
      "/usr/lib: 101 B",
      "/usr/lib/big: 100 B",
      "/usr/lib/small: 1 B",
      "/etc: 5 B",
      "/etc/x: 5 B",
    ]);
  });

  test("draws what is too small to be seen together, so that it stays small", () => {
    const many = Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`/d/f${index}`, "x"]));
    const svg = draw(treeOf({ ...many, "/huge": "h".repeat(20_000) }));
    expect(titles(svg)).toContain("/d: 20000 more, 20 KiB");
    expect(svg.length).toBeLessThan(10_000);
  });

  test("has room for a folder of very many files", () => {
    const children = Array.from({ length: 300_000 }, (_, index) => {
      const name = `f${index}`;
      return { name, path: `/${name}`, type: "file", size: 1, files: 1, children: [] } as const;
    });
    const root = { name: "/", path: "/", type: "directory", size: children.length, files: 1, children } as const;
    expect(drawTreemap({ title: "many", root, groupOf: () => "all" })).toContain("/: 300000 more, 293 KiB");
  });

  test.each(['<script>alert("1")</script>', "a&b", "\u0007bell"])("holds the name %j as text", (name) => {
    const svg = draw(treeOf({ [`/${name.replaceAll("/", "_")}`]: "1234" }));
    expect(svg).not.toContain("<script>");
    expect(() => new XMLParser().parse(svg)).not.toThrow();
  });

  test("is sound XML whatever names and sizes there are", () => {
    const name = fc
      .string({ unit: "binary", minLength: 1, maxLength: 20 })
      .filter((text) => !/[/\0]|\p{Surrogate}/u.test(text) && text !== "." && text !== "..");
    const sizes = fc.oneof(fc.nat(2000), fc.integer({ min: 0, max: 2 ** 53 - 1 }));
    const files = fc.uniqueArray(fc.record({ name, size: sizes }), { maxLength: 12, selector: (one) => one.name });
    fc.assert(
      fc.property(files, fc.string({ unit: "binary" }), (all, group) => {
        const children = all.map(
          (one) => ({ ...one, path: `/${one.name}`, type: "file", files: 1, children: [] }) as const,
        );
        children.sort((a, b) => b.size - a.size);
        const size = all.reduce((sum, one) => sum + one.size, 0);
        const root = { name: "/", path: "/", type: "directory", size, files: all.length, children } as const;
        const svg = drawTreemap({ title: group, root, groupOf: () => group });
        expect(XMLValidator.validate(svg)).toBe(true);
        // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
        expect(svg).not.toMatch(/[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|NaN|Infinity/);
      }),
      { numRuns: 100 },
    );
  });

  test("of an image without content has nothing but the root", () => {
    expect(titles(draw(treeOf({ "/empty": "" })))).toEqual(["/: 0 B"]);
  });
});
