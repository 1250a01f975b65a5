import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { type Capstanfile, loadCapstanfile } from "../../src/project/capstanfile.ts";
import { parseCapstanfile } from "../../src/project/capstanfile-layer.ts";
import { parsePackageSource } from "../../src/project/capstanfile-packages.ts";
import { CapstanError } from "../../src/support/errors.ts";
import { failureOf, problemsOf } from "./failure.ts";

const parse = (text: string) => parseCapstanfile(text, { path: "/p/Capstanfile", name: "Capstanfile", dir: "/p" });

const folder = mkdtempSync(join(tmpdir(), "capstanfile-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function load(files: Readonly<Record<string, string>>): Capstanfile {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return loadCapstanfile("Capstanfile", { cwd: folder });
}

test("every key", () => {
  const text = `base: cloudius/osv-base
cmdline: /tools/hello.so --loud "two words"
build: make -j2 && echo done
rootfs: tree
include: [one.capstan, two.capstan]
packages: [deb:redis-server, "rpm:./x.rpm"]
rpm-base:
  name: java-1.7.0-openjdk
  version: 1.7.0.60
  release: 2.4.5.0.fc19
  arch: x86_64
files:
  /tools/hello.so: hello.so
  /lib/: [a.so, "b/*.so"]
`;
  expect(parse(text)).toMatchObject({
    base: { text: "cloudius/osv-base", where: "Capstanfile:1:7" },
    cmdline: '/tools/hello.so --loud "two words"',
    build: { text: "make -j2 && echo done", where: "Capstanfile:3:8" },
    rootfs: { text: "tree", where: "Capstanfile:4:9" },
    include: [{ text: "one.capstan" }, { text: "two.capstan" }],
    packages: [
      { source: { kind: "rpm", name: "java-1.7.0-openjdk-1.7.0.60-2.4.5.0.fc19.x86_64", path: undefined } },
      { source: { kind: "deb", name: "redis-server", path: undefined } },
      { source: { kind: "rpm", name: "./x.rpm", path: "./x.rpm" } },
    ],
    files: [
      { target: "/tools/hello.so", source: "hello.so", where: "Capstanfile:13:20" },
      { target: "/lib/", source: "a.so" },
      { target: "/lib/", source: "b/*.so" },
    ],
  });
});

test.each(["", "base:", "# nothing\n"])("what says nothing is nothing: %j", (text) => {
  expect(parse(text)).toMatchObject({ base: undefined, cmdline: undefined, build: undefined, files: [], packages: [] });
});

describe("& in a source", () => {
  test.each([
    ["/usr/app/app.jar", "build/&", "build/app.jar"],
    ["/usr/app/", "build/&.jar", "build/app.jar"],
    ["/a", "&/&", "a/a"],
    ["/a", "x\\&y", "x&y"],
    ["/a", "x\\\\&", "x\\\\a"],
    ["/[id]", "&", "\\[id\\]"],
    ["/", "x&y", "xy"],
  ])("of %s: %s is %s", (target, source, expected) => {
    expect(parse(`files: { ${JSON.stringify(target)}: ${JSON.stringify(source)} }`).files[0]?.source).toBe(expected);
  });
});

describe("places in the image", () => {
  test.each([
    ["/a/b", "/a/b"],
    ["a/b", "/a/b"],
    ["//a///b//", "/a/b/"],
    ["/a/./b/.", "/a/b/"],
    ["/", "/"],
    [".", "/"],
  ])("%s is %s", (key, target) => {
    expect(parse(`files: { ${JSON.stringify(key)}: x }`).files[0]?.target).toBe(target);
  });

  test.each([["/a/../b"], [".."], [""], [`/${"x".repeat(256)}`]])("%j is none", (key) => {
    expect(problemsOf(() => parse(`files: { ${JSON.stringify(key)}: x }`))[0]).toContain(
      "cannot be a place in the image",
    );
  });
});

describe("what is wrong is told with its place, all at once", () => {
  test.each<[string, string, readonly RegExp[]]>([
    ["an unknown key", "bsae: x", [/^Capstanfile:1:1: unknown key 'bsae'\. Did you mean 'base'\?$/]],
    ["a list for a text", "base: [a]", [/^Capstanfile:1:7: 'base' must be a text, and it is a list$/]],
    ["an empty base", "base: ''", [/write the name of an image/]],
    ["files as a list", "files: [a]", [/^Capstanfile:1:8: 'files' must be a map/]],
    ["no source", "files:\n  /a:\n  /b: x", [/^Capstanfile:2:3: write after '\/a' which file or folder goes there$/]],
    ["a map for a source", "files: { /a: { b: c } }", [/must be a list/]],
    ["one place twice", "files:\n  /a: x\n  a: y", [/^Capstanfile:3:6: 'a' is the same place as '\/a'/]],
    ["a command that OSv reads otherwise", "cmdline: /x 'two words'", [/^Capstanfile:1:10: .*single quotes/]],
    ["no package", "packages: [redis]", [/'redis' names no package: write 'deb:NAME'/]],
    ["an option for a package", "packages: ['deb:-o']", [/'-o' cannot name a package/]],
    ["half an RPM", "rpm-base: { name: x, version: '1' }", [/'release' is missing/]],
    [
      "a path for a part of an RPM",
      "rpm-base: { name: ../x, version: '1', release: '1' }",
      [/'..\/x' cannot be a part/],
    ],
    ["arguments of nothing", "args: [a]", [/'args' are those of 'program'/]],
    ["arguments and a command", "program: x\nargs: [a]\ncmdline: /x", [/'cmdline' is the whole boot command/]],
    [
      "a control character",
      'build: "a\\u0007b"\nfiles: 1\nbase: [x]',
      [/'files' must be a map/, /'base' must be a text/],
    ],
    [
      "two of them",
      "base: []\ncmdlin: x\nfiles: {'': x}",
      [/'base' must be/, /unknown key 'cmdlin'/, /cannot be a place/],
    ],
  ])("%s", (_, text, expected) => {
    const problems = problemsOf(() => parse(text));
    expect(problems).toHaveLength(expected.length);
    for (const [index, pattern] of expected.entries()) expect(problems[index]).toMatch(pattern);
  });

  test("whatever is in the file: a CapstanError, or a result", () => {
    const words = fc.constantFrom(
      ..."base cmdline build files rootfs packages include rpm-base : - { } [ ] & * \n ' \" / .. ~ x".split(" "),
      "\n",
      " ",
    );
    fc.assert(
      fc.property(fc.array(words, { maxLength: 30 }), (parts) => {
        try {
          parse(parts.join(" "));
        } catch (error) {
          if (!(error instanceof CapstanError)) throw error;
        }
      }),
    );
  });
});

describe("names of packages", () => {
  test.each([
    ["deb:redis-server", { kind: "deb", name: "redis-server", path: undefined }],
    ["deb:redis=5:7.0.15-1~deb12u10", { kind: "deb", name: "redis=5:7.0.15-1~deb12u10", path: undefined }],
    ["rpm:java-1.8.0-openjdk", { kind: "rpm", name: "java-1.8.0-openjdk", path: undefined }],
    ["deb:x.deb", { kind: "deb", name: "x.deb", path: "x.deb" }],
    ["rpm:/srv/x", { kind: "rpm", name: "/srv/x", path: "/srv/x" }],
  ])("%s", (text, expected) => {
    expect(parsePackageSource(text)).toEqual(expected);
  });

  test.each(["", "deb:", "deb", "apk:x", "deb:a b", "deb:--help", "deb:$(x)", "deb:a;b"])("%j is none", (text) => {
    expect(parsePackageSource(text)).toHaveProperty("problem");
  });
});

describe("includes", () => {
  test("come before the file that includes them, each once, and its own words count", () => {
    const file = load({
      Capstanfile: "include: [a, b]\ncmdline: /own\nfiles: { /own: own }\n",
      a: "include: c\nbase: of-a\ncmdline: /a\nfiles: { /a: a }\n",
      b: "include: c\nbase: of-b\nfiles: { /b: b }\n",
      c: "base: of-c\nbuild: make c\n",
    });
    expect(file.layers.map(({ name }) => name)).toEqual(
      ["c", "a", "b", "Capstanfile"].map((name) => join(folder, name)).map((path) => path.slice(folder.length + 1)),
    );
    expect(file.base).toEqual({ text: "of-b", where: "b:2:7", dir: folder });
    expect(file.cmdline).toBe("/own");
  });

  test("one that is not there is told where it is included", () => {
    expect(failureOf(() => load({ Capstanfile: "base: x\ninclude:\n- nowhere\n" }))).toMatchObject({
      code: "no-capstanfile",
      message: "Capstanfile:3:3: there is no nowhere to include",
      exitCode: 66,
    });
  });

  test.each([
    [{ Capstanfile: "include: Capstanfile\n" }, /^Capstanfile:1:10: .*: Capstanfile includes Capstanfile$/],
    [{ Capstanfile: "include: a\n", a: "include: b\n", b: "\ninclude: a\n" }, /^b:2:10: .*: a includes b includes a$/],
  ])("a circle is shown: %#", (files, shown) => {
    expect(failureOf(() => load(files))).toMatchObject({
      code: "include-cycle",
      message: expect.stringMatching(shown),
    });
  });

  test("too many of them", () => {
    const names = Array.from({ length: 120 }, (_, index) => `inc${index}`);
    const files = Object.fromEntries(
      names.map((name, index) => [name, index + 1 < names.length ? `include: inc${index + 1}\n` : ""]),
    );
    expect(failureOf(() => load({ ...files, Capstanfile: "include: inc0\n" })).code).toBe("too-many-includes");
  });

  test("problems have the name of their own file", () => {
    expect(failureOf(() => load({ Capstanfile: "base: x\ninclude: bad\n", bad: "files: 1\n" })).message).toMatch(
      /^bad:1:8: /,
    );
  });

  test("problems of all files are told at once, each once", () => {
    const files = { one: "files: 1\n", two: "include: one\ncmdline: 'x\n", three: "fils: {}\ninclude: one\n" };
    const problems = problemsOf(() => load({ ...files, Capstanfile: "base: x\ninclude: [one, two, three, one]\n" }));
    expect(problems.map((problem) => problem.split(" ")[0])).toEqual([
      "one:1:8:",
      expect.stringMatching(/^two:/),
      "three:1:1:",
    ]);
  });

  test("without any base", () => {
    expect(failureOf(() => load({ Capstanfile: "cmdline: /x\n" }))).toMatchObject({
      code: "no-base",
      message: expect.stringContaining("'base' is missing"),
    });
  });
});
