import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ALWAYS_IGNORED, loadIgnore, parseIgnore } from "../../src/project/capstanignore.ts";
import { failureOf, problemsOf } from "./failure.ts";

/** A path that ends in '/' is a directory. */
function ignores(patterns: string, path: string): boolean {
  return parseIgnore(patterns).ignores(path.replace(/\/$/, ""), path.endsWith("/"));
}

describe("patterns", () => {
  test.each([
    ["/file.txt", "/file.txt", true],
    ["/file.txt", "/a/file.txt", false],
    ["/a/file.txt", "/file.txt", false],
    ["/a/file.txt", "/a/file.txt", true],
    ["/*.txt", "/file.txt", true],
    ["/*.txt", "/a/file.txt", false],
    ["/a/*.txt", "/file.txt", false],
    ["/a/*.txt", "/a/file.txt", true],
    ["/a/*.txt", "/a/b/file.txt", false],
    ["/a/*.txt", "/a/fileXtxt", false],
    ["/**/file.txt", "/file.txt", true],
    ["/**/file.txt", "/a/file.txt", true],
    ["/**/file.txt", "/a/b/file.txt", true],
    // The original takes this one too: its '/**/' need not end at a name's border.
    ["/**/file.txt", "/myfile.txt", false],
    ["/**/*.txt", "/a/b/myfile.txt", true],
    ["/a/**/b", "/a/b", true],
    ["/a/**/b", "/a/x/y/b", true],
    ["/a/**/b", "/a/x/y/c", false],
    ["/a/**/b/**/c", "/a/b/x/b/c", true],
    ["/a/**/b/**/c", "/a/x/c", false],
    ["/a/*", "/a/", false],
    ["/a/*", "/a/file", true],
    ["/a/*", "/a/b/", true],
    ["/a/*", "/a/b/c/d", true],
    ["/a/*", "/ab", false],
    ["/a/**", "/a/", false],
    ["/a/**", "/a/b/c", true],
    ["/a/b/*", "/a/b/", false],
    ["/a/b/*", "/x/a/b/c", false],
    ["/a/*/*", "/a/", false],
    ["/a/*/*", "/a/b/", false],
    ["/a/*/*", "/a/b/c", true],
    ["/*/*", "/a/", false],
    ["/*/*", "/a/b", true],
    ["/*", "/anything", true],
    ["/a", "/a/", true],
    ["/a", "/a/b/c", true],
    ["/a", "/ab", false],
    ["/a", "/x/a", false],
    ["*.o", "/x.o", true],
    ["*.o", "/a/b/x.o", true],
    ["*.o", "/a/x.out", false],
    ["node_modules", "/a/node_modules/", true],
    ["node_modules", "/a/node_modules/b/c", true],
    ["node_modules", "/a/node_modules2", false],
    ["a/b", "/x/a/b", true],
    ["a/b", "/x/a/c/b", false],
    ["**/b", "/x/y/b", true],
    ["build/", "/build/", true],
    ["build/", "/build", false],
    ["build/", "/a/build/x", true],
    ["/build/", "/a/build/", false],
    ["/a*b*c", "/abc", true],
    ["/a*b*c", "/aXbYbZc", true],
    ["/a*b*c", "/acb", false],
    ["/ab*bc", "/abc", false],
    ["/*a*", "/banana", true],
    ["/a**b", "/aXb", true],
    ["/a**b", "/a/b", false],
  ])("%s and %s: %s", (pattern, path, expected) => {
    expect(ignores(pattern, path)).toBe(expected);
    expect(ignores(pattern, path.slice(1))).toBe(expected);
  });

  test.each(["/a.c", "/a+b", "/a(b)", "/[ab]", "/a?", "/$x", "/^x", "/a|b", "/{a}", "/a\\b", "/ä €"])(
    "characters that regular expressions know stand for themselves: %s",
    (pattern) => {
      expect(ignores(pattern, pattern)).toBe(true);
      for (const path of ["/aXc", "/aab", "/ab", "/a", "/b", "/x", "/"]) expect(ignores(pattern, path)).toBe(false);
    },
  );

  test("who thinks otherwise is told", () => {
    expect(parseIgnore("/ok\n/[ab]\n/a?\n/*.c+").warnings).toEqual([
      ".capstanignore:2: '[' stands for itself in '/[ab]': only '*' is special",
      ".capstanignore:3: '?' stands for itself in '/a?': only '*' is special",
    ]);
  });

  test("comments, blank lines, blanks at both ends, CRLF and a byte order mark", () => {
    const ignore = parseIgnore("\ufeff# comment\r\n\r\n   /a.txt  \r\n\t/b\r\n#/c");
    expect(ignore.patterns.slice(0, -ALWAYS_IGNORED.length)).toEqual(["/a.txt", "/b"]);
    expect(["a.txt", "b", "c"].map((path) => ignore.ignores(path, false))).toEqual([true, true, false]);
  });
});

describe("negation", () => {
  test.each([
    ["*.txt\n!/keep.txt", "/keep.txt", false],
    ["*.txt\n!/keep.txt", "/other.txt", true],
    ["!/keep.txt\n*.txt", "/keep.txt", true],
    ["/a/*\n!/a/b", "/a/b/", false],
    ["/a/*\n!/a/b", "/a/b/c", false],
    ["/a/*\n!/a/b", "/a/c", true],
    ["/a\n!/a/b", "/a/b", true],
    ["/a/*\n!/a/b\n/a/b/*.o", "/a/b/x.o", true],
    ["!/x", "/y", false],
  ])("%j and %s: %s", (patterns, path, expected) => {
    expect(ignores(patterns, path)).toBe(expected);
  });
});

describe("what is always left out", () => {
  test.each([
    ["/meta/package.yaml", true],
    ["/meta/", false],
    ["/metadata", false],
    ["/mpm-pkg/", true],
    ["/mpm-pkg/x", true],
    ["/mpm-pkg-foo", false],
    ["/mpm-pkg-foo/x", false],
    ["/.git/", true],
    ["/.git/config", true],
    ["/.github/", false],
    ["/a/.git", false],
    ["/.capstanignore", true],
    ["/.gitignore", true],
    ["/volumes/", true],
    ["/volumes.txt", false],
    ["/capstan.lock", true],
    ["/a/capstan.lock", false],
    ["/", false],
  ])("%s: %s", (path, expected) => {
    expect(ignores("", path)).toBe(expected);
  });

  test("the user's patterns are listed first", () => {
    expect(parseIgnore("/x\n!/y").patterns).toEqual([
      "/x",
      "!/y",
      "/meta/*",
      "/mpm-pkg",
      "/.git",
      "/.capstanignore",
      "/.gitignore",
      "/volumes",
      "/capstan.lock",
    ]);
  });

  test("a package carries its meta directory, and no pattern takes its manifest away", () => {
    const ignore = parseIgnore("*.yaml\nREADME.md\n/secret").forPackage();
    const paths = [
      "meta/package.yaml",
      "meta/run.yaml",
      "meta/other.yaml",
      "meta/README.md",
      "meta/x",
      "secret",
      ".git/x",
    ];
    expect(paths.map((path) => ignore.ignores(path, false))).toEqual([false, false, true, true, false, true, true]);
    expect(ignore.ignores("meta", true)).toBe(false);
    expect(parseIgnore("*").forPackage().ignores("meta", true)).toBe(false);
  });
});

describe("errors", () => {
  test.each(["/meta", "/meta/", "!/meta"])("%s is refused with what to do", (pattern) => {
    const error = failureOf(() => parseIgnore(`# a\n${pattern}`));
    expect(error).toMatchObject({ code: "bad-capstanignore", exitCode: 65 });
    expect(error.message).toMatch(/^\.capstanignore:2: '\/meta' cannot be given.*Remove this line/);
  });

  test("all are told at once, each with its line", () => {
    const found = problemsOf(() => parseIgnore("/ok\n/\n!\n/a/../b\n!/volumes\n./x"));
    expect(found.map((line) => line.slice(0, 17))).toEqual([2, 3, 4, 5, 6].map((line) => `.capstanignore:${line}:`));
  });

  test("not UTF-8 and too large", () => {
    expect(failureOf(() => parseIgnore(Buffer.from([0x2f, 0xff]))).message).toContain(".capstanignore:1");
    expect(failureOf(() => parseIgnore("#".repeat((1 << 20) + 1))).code).toBe("file-too-large");
  });
});

describe("speed and algebra", () => {
  test("100,000 paths", () => {
    const patterns = ["/build", "*.o", "/**/cache/*", "node_modules", "/a/*/b*c*d", "!/keep/*.o", "target/"];
    const ignore = parseIgnore([...patterns, ...Array.from({ length: 13 }, (_, i) => `/dir${i}/*.tmp`)].join("\n"));
    const start = performance.now();
    let count = 0;
    for (let i = 0; i < 100_000; i++)
      if (ignore.ignores(`src/deep/folder${i % 100}/more/file${i}.${i % 10 ? "c" : "o"}`, false)) count++;
    expect(count).toBe(10_000);
    expect(performance.now() - start).toBeLessThan(5_000);
  });

  test("many stars on a long name take no time", () => {
    const ignore = parseIgnore(`/${"*a".repeat(60)}*b\n/${"**/a/".repeat(30)}b`);
    const start = performance.now();
    expect(ignore.ignores("a".repeat(255), false)).toBe(false);
    expect(ignore.ignores("a/".repeat(1000), true)).toBe(false);
    expect(performance.now() - start).toBeLessThan(1_000);
  });

  /** The rules as a regular expression, straight from their description. */
  function expression(pattern: string): RegExp {
    const body = pattern
      .split("/")
      .slice(1)
      .map((name) => (name === "**" ? "(?:/[^/]+)*" : `/${name.replaceAll("*", "[^/]*")}`))
      .join("");
    return new RegExp(`^${body}(?:/|$)`);
  }

  test("agrees with regular expressions made of the same patterns", () => {
    const name = fc.constantFrom("a", "b", "ab", "*", "a*", "*b", "a*b", "**");
    const pattern = fc.array(name, { minLength: 1, maxLength: 4 }).filter((names) => names.at(-1) !== "**");
    const path = fc.array(fc.constantFrom("a", "b", "ab", "aab", "abb", "c"), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(pattern, path, (names, parts) => {
        const text = `/${names.join("/")}`;
        expect(parseIgnore(text).ignores(parts.join("/"), false)).toBe(expression(text).test(`/${parts.join("/")}`));
      }),
      { numRuns: 1500 },
    );
  });

  test("what lies in a directory that is left out is left out", () => {
    const pattern = fc
      .array(fc.constantFrom("a", "b", "*", "**", "a*"), { minLength: 1, maxLength: 3 })
      .map((names) => names.join("/"));
    const line = fc
      .tuple(fc.constantFrom("", "!"), fc.constantFrom("", "/"), pattern, fc.constantFrom("", "/"))
      .map((all) => all.join(""));
    const path = fc.array(fc.constantFrom("a", "b", "ab"), { minLength: 2, maxLength: 4 });
    fc.assert(
      fc.property(fc.array(line, { maxLength: 4 }), path, (lines, parts) => {
        const ignore = parseIgnore(lines.join("\n"));
        if (ignore.ignores(parts.slice(0, -1).join("/"), true))
          expect(ignore.ignores(parts.join("/"), false)).toBe(true);
      }),
      { numRuns: 1500 },
    );
  });
});

test("the file of a folder, or only what is always left out", () => {
  const folder = mkdtempSync(join(tmpdir(), "capstan-ignore-"));
  try {
    expect(loadIgnore(folder).patterns).toEqual(ALWAYS_IGNORED);
    writeFileSync(join(folder, ".capstanignore"), "/x\n");
    expect(loadIgnore(folder).patterns).toEqual(["/x", ...ALWAYS_IGNORED]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
