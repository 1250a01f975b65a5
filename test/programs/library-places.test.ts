import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hostSpace } from "../../src/filesystems/host-space.ts";
import type { LoadedObject } from "../../src/linker/closure.ts";
import type { Part } from "../../src/programs/application.ts";
import type { LaunchMode } from "../../src/programs/launch.ts";
import { LibraryPlaces } from "../../src/programs/library-places.ts";
import { Sandbox } from "../support/sandbox.ts";
import { object } from "./launch-parts.ts";

const sandbox = new Sandbox();
afterAll(() => sandbox.remove());
const root = sandbox.path("root");

beforeAll(() => {
  sandbox.write({ "root/opt/plug/in.so": "", "root/opt/plug/left-out/in.so": "", "root/home/me/bin/app": "" });
  sandbox.write({ "debian/usr/lib/x86_64-linux-gnu/x": "", "fedora/usr/lib64/x": "" });
});

const PROGRAM = { source: "/home/me/bin/app", target: "/app" };

function places(parts: readonly Part[] = [], mode: LaunchMode = "native", system = root): LibraryPlaces {
  return new LibraryPlaces({ space: hostSpace(system), mode, parts, program: PROGRAM });
}

const library = (path: string, more: Partial<LoadedObject> = {}): LoadedObject => ({ ...object(path), ...more });
const byOrigin = (path: string, through: string, neededBy: string): LoadedObject =>
  library(path, { how: "runpath", through, neededBy: [neededBy] });

const file = (target: string) => ({ kind: "file", target });
const there = (target: string) => ({ kind: "there", target });

test.each<[string, LaunchMode, string, string]>([
  ["OSv's own linker looks", "native", "root", "/usr/lib"],
  ["Debian's linker looks", "linux", "debian", "/usr/lib"],
  ["Fedora's linker looks", "linux", "fedora", "/usr/lib64"],
])("a library of the system goes where %s, by the name that it is asked for by", (_title, mode, system, folder) => {
  const found = library("/lib/x86_64-linux-gnu/libz.so.1.2.13", { name: "libz.so.1" });
  expect(places([], mode, sandbox.path(system)).of(found)).toEqual(file(`${folder}/libz.so.1`));
});

test("one that is asked for by a path goes by the last part of it", () => {
  expect(places().of(library("/home/me/x.so", { name: "/home/me/x.so", how: "path" }))).toEqual(file("/usr/lib/x.so"));
});

describe("a library that is found from the object that needs it keeps that relation", () => {
  test.each([
    ["$ORIGIN/../lib", "/home/me/lib/x.so", "/lib/x.so"],
    ["$ORIGIN", "/home/me/bin/x.so", "/x.so"],
    ["$ORIGIN/../../../usr/lib", "/usr/lib/x.so", "/usr/lib/x.so"],
    ["/home/me/lib", "/home/me/lib/x.so", "/usr/lib/x.so"],
  ])("through %s: %s lands at %s", (through, path, target) => {
    expect(places().of(byOrigin(path, through, PROGRAM.source))).toEqual(file(target));
  });

  test.each<[LaunchMode, string, string, string]>([
    ["native", `\${ORIGIN}/lib`, "/home/me/bin/lib/x.so", "/usr/lib/x.so"],
    ["native", "$ORIGIN/../$LIB", "/home/me/lib64/x.so", "/usr/lib/x.so"],
    ["native", "$ORIGIN/$PLATFORM", "/home/me/bin/x86_64/x.so", "/usr/lib/x.so"],
    ["linux", `\${ORIGIN}/lib`, "/home/me/bin/lib/x.so", "/lib/x.so"],
    ["linux", "$ORIGIN/../$LIB", "/home/me/lib64/x.so", "/lib64/x.so"],
  ])("as the linker of the image reads the entry: %s, %s, %s lands at %s", (mode, through, path, target) => {
    expect(places([], mode).of(byOrigin(path, through, PROGRAM.source))).toEqual(file(target));
  });

  test("of a library as well", () => {
    const all = places();
    all.of(byOrigin("/home/me/lib/a.so", "$ORIGIN/../lib", PROGRAM.source));
    expect(all.of(byOrigin("/home/me/lib/deep/b.so", "$ORIGIN/deep", "/home/me/lib/a.so"))).toEqual(
      file("/lib/deep/b.so"),
    );
  });

  test("wherever the object that needs it lands", () => {
    const part: Part = {
      ...{ kind: "file", source: "/home/me/lib/plugin.so", sourceSpace: "user", target: "/plugins/plugin.so" },
      ...{ role: "with", neededBy: "--with" },
    };
    const needed = byOrigin("/home/me/lib/../lib/x.so", "$ORIGIN/../lib", "/home/me/lib/plugin.so");
    expect(places([part]).of(needed)).toEqual(file("/lib/x.so"));
  });

  test.each([
    ["linux", "/lib/b.so"],
    // OSv's own linker knows no inherited RPATH.
    ["native", "/usr/lib/b.so"],
  ] as const)("RPATH is the program's for its libraries as well: %s", (mode, target) => {
    const all = places([], mode);
    all.of(byOrigin("/home/me/bin/lib/a.so", "$ORIGIN/lib", PROGRAM.source));
    const next = byOrigin("/home/me/bin/lib/b.so", "$ORIGIN/lib", "/home/me/bin/lib/a.so");
    expect(all.of({ ...next, how: "rpath" })).toEqual(file(target));
  });

  test("but not of one whose place is not known", () => {
    expect(places().of(byOrigin("/home/x/b.so", "$ORIGIN", "/home/x/unknown.so"))).toEqual(file("/usr/lib/b.so"));
  });
});

test("one library by two names is one file and a link", () => {
  const all = places();
  expect(all.of(library("/lib/liba.so.1"))).toEqual(file("/usr/lib/liba.so.1"));
  const again = library("/lib/liba.so", { realPath: "/lib/liba.so.1" });
  expect(all.of(again)).toEqual({ kind: "link", target: "/usr/lib/liba.so", to: "liba.so.1" });
  expect(all.of(library("/lib/liba.so.1"))).toEqual(there("/usr/lib/liba.so.1"));
});

test("two libraries of one name do not lie over each other", () => {
  const all = places();
  expect(all.of(library("/lib/liba.so.1"))).toEqual(file("/usr/lib/liba.so.1"));
  expect(all.of(library("/opt/other/liba.so.1"))).toEqual(file("/opt/other/liba.so.1"));
});

describe("a library in a folder of the application", () => {
  const folder: Part = {
    ...{
      kind: "folder",
      source: "/opt/plug",
      sourceSpace: "system",
      target: "/plug",
      role: "data",
      neededBy: "a test",
    },
    skip: (path) => path === "left-out",
  };

  test("is found by a link from where the linker looks", () => {
    expect(places([folder]).of(library("/opt/plug/in.so"))).toEqual({
      ...{ kind: "link", target: "/usr/lib/in.so", to: "/plug/in.so" },
    });
  });

  test("stays there when it is found from its neighbour", () => {
    const all = places([folder]);
    all.of(library("/opt/plug/in.so"));
    expect(all.of(byOrigin("/opt/plug/two.so", "$ORIGIN", "/opt/plug/in.so"))).toEqual(there("/plug/two.so"));
  });

  test("keeps its relation to what it needs", () => {
    const needed = byOrigin("/opt/plug/../side/x.so", "$ORIGIN/../side", "/opt/plug/in.so");
    expect(places([folder]).of({ ...needed, realPath: "/opt/side/x.so" })).toEqual(file("/side/x.so"));
    expect(places([folder]).targetOf("/opt/plug/in.so")).toBe("/plug/in.so");
  });

  test("is found by a link where OSv's own linker does not read the entry", () => {
    const found = byOrigin("/opt/plug/in.so", `\${ORIGIN}`, "/opt/plug/two.so");
    expect(places([folder]).of(found)).toMatchObject({ kind: "link", target: "/usr/lib/in.so" });
    expect(places([folder], "linux").of(found)).toEqual(there("/plug/in.so"));
  });

  test("goes in by itself where the folder leaves it out", () => {
    expect(places([folder]).of(library("/opt/plug/left-out/in.so"))).toEqual(file("/usr/lib/in.so"));
  });
});

test("a file of the application is not put there twice", () => {
  const part: Part = {
    ...{ kind: "file", source: "/opt/plug/in.so", sourceSpace: "system", target: "/usr/lib/in.so" },
    ...{ role: "with", neededBy: "--with" },
  };
  expect(places([part]).of(library("/opt/plug/in.so"))).toEqual(there("/usr/lib/in.so"));
});

test("where each object is in the image can be asked for", () => {
  const all = places();
  all.of(library("/lib/liba.so.1", { realPath: "/lib/liba.so.1.2" }));
  expect(
    ["/home/me/bin/app", "/lib/liba.so.1", "/lib/liba.so.1.2", "/lib/x"].map((path) => all.targetOf(path)),
  ).toEqual([...["/app", "/usr/lib/liba.so.1", "/usr/lib/liba.so.1", undefined]]);
});
