import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bootPrograms } from "../../src/check/boot-programs.ts";
import { loaderCommand } from "../../src/check/loader-command.ts";
import { treeSpace } from "../../src/filesystems/tree-space.ts";
import { type SketchFolder, tree } from "../filesystems/trees.ts";

function programsOf(commandLine: string, files: SketchFolder = {}) {
  return bootPrograms(treeSpace(tree(files), "test"), commandLine);
}

const scripts = {
  run: {
    default: "--env=MODE?=x --env=WHO=world /usr/bin/hello $WHO;/second\n",
    broken: "/a é; /b\n",
    nested: "runscript /run/default",
  },
};

describe("what starts", () => {
  test.each<[line: string, words: readonly string[], files?: SketchFolder]>([
    ["/hello a b", ["/hello a b"]],
    ["--env=A=b --verbose /hello", ["/hello"]],
    ["/a; /b & /c", ["/a", "/b", "/c"]],
    ['/a "b c"', ["/a b c"]],
    ["runscript /run/default;", ["/usr/bin/hello world", "/second"], scripts],
    ["--env=WHERE=/opt/app $WHERE x", ["/opt/app x"]],
    ["--env=S=/run/default runscript $S", ["/usr/bin/hello world", "/second"], scripts],
    ["$UNKNOWN x", []],
    ["runscript $UNKNOWN", []],
    ["runscript /run/nested", ["runscript /run/default"], scripts],
    ["/main", ["/first", "/main"], { init: { "10-first": "/first" } }],
    ["--noinit /main", ["/main"], { init: { "10-first": "/first" } }],
    ["", []],
    [";", []],
  ])("%s", (line, words, files) => {
    expect(programsOf(line, files).programs.map((program) => program.words.join(" "))).toEqual(words);
  });

  test("where from, and in which surroundings", () => {
    const found = programsOf("--cwd=/opt --env=A=1 /x; runscript /run/default", scripts);
    expect(found.programs.map(({ script }) => script)).toEqual([undefined, "/run/default", "/run/default"]);
    expect(found.scripts).toEqual(["/run/default"]);
    expect(found.cwd).toBe("/opt");
    expect([...found.env]).toEqual([
      ["A", "1"],
      ["MODE", "x"],
      ["WHO", "world"],
    ]);
  });
});

test("scripts that are not there", () => {
  expect(programsOf("runscript /run/gone; runscript /run/gone; runscript /run/default", scripts)).toMatchObject({
    missingScripts: ["/run/gone"],
    unreadable: [],
  });
});

test.each([
  ["/a é", "/", "'/a é'"],
  ["runscript /run/broken", "/run/broken", "line 1"],
])("what cannot be read: %s", (line, path, words) => {
  expect(programsOf(line, scripts).unreadable).toEqual([{ path, problem: expect.stringContaining(words) }]);
});

test("a directory in a script's place is no script", () => {
  expect(programsOf("runscript /run", scripts).missingScripts).toEqual(["/run"]);
});

test("no line is too odd", () => {
  fc.assert(fc.property(fc.string(), (line) => programsOf(line, scripts).programs.length >= 0));
});

describe("the dynamic loader as a program", () => {
  test.each([
    ["/lib64/ld-linux-x86-64.so.2 /app a", "/app", undefined],
    ["/lib64/ld-linux-x86-64.so.2 --library-path /opt/l:/usr/lib /app", "/app", ["/opt/l", "/usr/lib"]],
    ["/lib/ld-linux-aarch64.so.1 --argv0 x --inhibit-cache --preload /y /app --z", "/app", undefined],
    ["/lib/ld-musl-x86_64.so.1 --library-path=/l /app", "/app", ["/l"]],
    ["/lib64/ld-linux-x86-64.so.2 --help", undefined, undefined],
    ["/lib64/ld-linux-x86-64.so.2", undefined, undefined],
  ])("%s", (line, program, libraryPath) => {
    const words = line.split(" ");
    expect(loaderCommand(words)).toEqual({ loader: words[0], program, libraryPath });
  });

  test.each(["/app", "/usr/bin/ld", "/ld-linux.so", "/usr/lib/libld-linux.so.2", ""])("not %s", (program) => {
    expect(loaderCommand([program, "/app"])).toBeUndefined();
  });
});
