import { describe, expect, test } from "vitest";
import { chooseLaunch, type LaunchMode, type LaunchRequest } from "../../src/programs/launch.ts";
import { closure, kernel, type Made, object } from "./launch-parts.ts";

const libc = object("/lib/libc.so.6", {
  has: [{ name: "puts" }, { name: "timer_create" }, { name: "capget" }, { name: "error_count", type: "object" }],
});
const loader = "/lib64/ld-linux-x86-64.so.2";

function choose(program: Made, generation: "old" | "new" | "demo", more: Partial<LaunchRequest> = {}) {
  return chooseLaunch({
    asked: undefined,
    kernel: kernel(generation),
    closure: closure(object("/usr/bin/app", program), [libc]),
    ...more,
  });
}

const plain: Made = { asks: [{ name: "puts" }] };
const rarely: Made = { asks: [{ name: "capget" }] };
const timers: Made = { asks: [{ name: "timer_create" }] };
const isoc23: Made = { asks: [{ name: "__isoc23_strtol" }] };
const copied: Made = { has: [{ name: "error_count", type: "object" }], relocations: [5] };
const threadLocal: Made = { asks: [{ name: "tls_of_glibc", type: "tls" }] };
const weak: Made = {
  asks: [
    { name: "timer_create", weak: true },
    { name: "__gmon_start__", weak: true },
  ],
};
const go: Made = { language: "go" };
const tls200: Made = { tlsSize: 200, tlsAlignment: 8 };
const tls1000: Made = { tlsSize: 1000, tlsAlignment: 8 };
const alignedTls: Made = { tlsSize: 530, tlsAlignment: 64 };
const irelative: Made = { relocations: [8, 37] };
const strange: Made = { relocations: [99] };
const relr: Made = { versionsNeeded: [{ file: "libc.so.6", versions: [{ name: "GLIBC_ABI_DT_RELR", weak: false }] }] };
const fixed: Made = { kind: "position-dependent" };
const fixedStatic: Made = { kind: "static", interpreter: undefined };
const staticPie: Made = { kind: "static-pie", interpreter: undefined };
const shared: Made = { kind: "shared-object", interpreter: undefined, tlsSize: 5000, tlsAlignment: 8 };

describe("left to itself", () => {
  test.each<[string, Made, LaunchMode, LaunchMode, LaunchMode]>([
    // program, old kernel, new kernel, demo kernel
    ["nothing special", plain, "native", "native", "linux"],
    ["a function that is rarely called", rarely, "native", "native", "linux"],
    ["weak symbols", weak, "native", "native", "linux"],
    ["a function that is called at the start", timers, "native", "linux", "linux"],
    ["a function of newer C libraries", isoc23, "native", "linux", "linux"],
    ["a variable that is copied", copied, "native", "linux", "linux"],
    ["a thread-local variable", threadLocal, "native", "linux", "linux"],
    ["Go", go, "native", "linux", "linux"],
    ["200 bytes of thread-local storage", tls200, "native", "native", "linux"],
    ["1000 bytes of thread-local storage", tls1000, "native", "linux", "linux"],
    ["530 bytes, aligned to 64", alignedTls, "native", "linux", "linux"],
    ["indirect functions", irelative, "native", "native", "linux"],
    ["relocations of another kind", strange, "native", "linux", "linux"],
    ["not position-independent", fixed, "native", "native", "linux"],
    ["a shared object with a main function", shared, "native", "native", "linux"],
    ["static", fixedStatic, "static", "static", "static"],
    ["static, position-independent", staticPie, "static", "static", "static"],
  ])("%s", (_, program, onOld, onNew, onDemo) => {
    const launches = (["old", "new", "demo"] as const).map((generation) => choose(program, generation));
    expect(launches.map(({ mode }) => mode)).toEqual([onOld, onNew, onDemo]);
    expect(launches.map(({ chosen }) => chosen)).toEqual(["automatic", "automatic", "automatic"]);
    for (const { reason, doubts } of launches)
      for (const text of [reason, ...doubts]) expect(text).toMatch(/^[A-Z].*\.$/);
  });

  test("a reason of its own leads to the Linux loader where that can be had", () => {
    const prefersLinux = "Node.js trips over the kernel's /proc/self/maps.";
    expect(choose(plain, "new", { prefersLinux })).toEqual({
      mode: "linux",
      chosen: "automatic",
      reason: prefersLinux,
      doubts: [],
    });
    expect(choose(plain, "new", { prefersLinux: prefersLinux.slice(0, -1) }).reason).toBe(prefersLinux);
    const old = choose(plain, "old", { prefersLinux });
    expect(old.mode).toBe("native");
    expect(old.doubts[0]).toBe(prefersLinux);
    expect(old.hindrance).toBe(prefersLinux);
  });

  test("a program for another C library stays native", () => {
    const program = object("/app", { ...tls1000, interpreter: "/lib/ld-musl-x86_64.so.1" });
    const launch = choose({}, "new", { closure: closure(program, [], object("/lib/ld-musl-x86_64.so.1")) });
    expect(launch.mode).toBe("native");
    expect(launch.doubts.join(" ")).toContain("1000 bytes");
  });

  test("a program whose loader is not there stays native", () => {
    const launch = choose({}, "new", { closure: { ...closure(object("/app", tls1000)), interpreter: undefined } });
    expect(launch.mode).toBe("native");
  });
});

describe("doubts", () => {
  test.each<[string, Made, "old" | "new" | "demo", readonly RegExp[]]>([
    ["nothing special", plain, "old", []],
    ["weak symbols", weak, "new", []],
    ["a function that is rarely called", rarely, "new", [/comes to call .* lacks: capget\./]],
    [
      "1000 bytes on the old one",
      tls1000,
      "old",
      [/1000 bytes of thread-local storage, .* room for 120/, /old cannot start the Linux loader/],
    ],
    ["530 bytes, aligned", alignedTls, "old", [/576 bytes/, /Linux loader/]],
    ["indirect functions on the old one", irelative, "old", [/relocations of type 37, which app has/, /Linux loader/]],
    ["static on the old one", fixedStatic, "old", [/old cannot start static programs.*-pie/]],
    ["static on the new one", fixedStatic, "new", []],
    ["static Go on the new one", { ...fixedStatic, language: "go" }, "new", [/buildmode=pie/]],
    ["static Go on the demo kernel", { ...fixedStatic, language: "go" }, "demo", []],
    ["the demo kernel", plain, "demo", []],
  ])("%s", (_, program, generation, expected) => {
    const { doubts } = choose(program, generation);
    expect(doubts).toHaveLength(expected.length);
    expected.forEach((pattern, index) => {
      expect(doubts[index]).toMatch(pattern);
    });
  });

  test("many symbols are counted, and those of libraries say of which", () => {
    const library = object("/usr/lib/libcap.so.2", {
      asks: Array.from({ length: 9 }, (_, index) => ({ name: `f${index}` })),
    });
    const { doubts } = choose(rarely, "new", { closure: closure(object("/usr/bin/app", rarely), [libc, library]) });
    expect(doubts).toEqual([
      "It stops if it comes to call what the kernel OSv new lacks: capget, f0 (libcap.so.2), f1 (libcap.so.2), f2 (libcap.so.2), f3 (libcap.so.2), f4 (libcap.so.2) and 4 more.",
    ]);
  });

  test("what the supplied libraries ask for themselves does not count", () => {
    const cxx = object("/lib/libstdc++.so.6", { asks: [{ name: "timer_create" }], relocations: [99] });
    expect(choose({}, "new", { closure: closure(object("/app"), [cxx, libc]) })).toMatchObject({
      mode: "native",
      doubts: [],
    });
  });

  test("a kernel whose symbols are not known lacks none", () => {
    expect(choose(timers, "new", { kernel: kernel("new", { exports: undefined }) })).toMatchObject({
      mode: "native",
      doubts: [],
    });
  });
});

test.each([
  ["old", true, "native", 2],
  ["new", true, "linux", 0],
  ["new", false, "native", 0],
] as const)("packed relocations on the %s kernel, which ignores them: %s", (generation, ignoresRelr, mode, doubts) => {
  const launch = choose(relr, generation, { kernel: kernel(generation, {}, { ignoresRelr }) });
  expect(launch.mode).toBe(mode);
  expect(launch.doubts).toHaveLength(doubts);
  if (ignoresRelr) expect([launch.reason, ...launch.doubts].join(" ")).toContain("(DT_RELR), which app has.");
});

describe("a kernel that copies too early", () => {
  const osv = kernel("new", {}, { copiesTooEarly: true });
  const program = (name: string) => object("/app", { has: [{ name, type: "object" }], relocations: [5] });
  const library = (name: string, relocated: readonly string[] = [name]) =>
    object("/usr/lib/libshapes.so", { has: [{ name, type: "object" }], relocated });

  test.each<[string, string, readonly string[], LaunchMode]>([
    ["a virtual table", "_ZTV5Shape", ["_ZTV5Shape"], "linux"],
    ["a variable with an address", "shape_names", ["shape_names"], "linux"],
    ["a variable without", "shape_count", ["shape_names"], "native"],
  ])("%s", (_, name, relocated, mode) => {
    const launch = choose({}, "new", {
      kernel: osv,
      closure: closure(program(name), [library(name, relocated), libc]),
    });
    expect(launch).toMatchObject({ mode, doubts: [] });
    if (mode === "linux") {
      expect(launch.reason).toBe(
        `The program has variables of libraries with addresses in them, which the kernel OSv new copies before they are right: ${name} (libshapes.so).`,
      );
    }
  });

  test("its own variables are right, and so are those of kernels that relocate first", () => {
    const own = object("/lib/libstdc++.so.6", {
      has: [{ name: "_ZTVSt9type_info", type: "object" }],
      relocated: ["_ZTVSt9type_info"],
    });
    const known = kernel("new", { exports: new Set(["_ZTVSt9type_info"]) }, { copiesTooEarly: true });
    expect(choose({}, "new", { kernel: known, closure: closure(program("_ZTVSt9type_info"), [own]) })).toMatchObject({
      mode: "native",
      doubts: [],
    });
    const first = closure(program("_ZTV5Shape"), [library("_ZTV5Shape")]);
    expect(choose({}, "new", { closure: first })).toMatchObject({ mode: "native", doubts: [] });
  });
});

test.each<[string, Made, LaunchMode | undefined, RegExp | undefined]>([
  ["nothing special", plain, undefined, undefined],
  ["functions that it may call", { asks: [{ name: "res_nclose" }] }, undefined, undefined],
  ["Go", go, undefined, /^Go programs/],
  ["static", fixedStatic, undefined, /cannot start static programs/],
  ["the Linux loader, asked for", plain, "linux", /cannot start the Linux loader/],
  ["too much thread-local storage, asked for", tls1000, "native", /1000 bytes/],
])("on an old kernel, %s is expected to run or not", (_, program, asked, hindrance) => {
  const launch = choose(program, "old", { asked });
  if (hindrance === undefined) {
    expect(launch.hindrance).toBeUndefined();
    return;
  }
  expect(launch.hindrance).toMatch(hindrance);
  expect(launch.doubts[0]).toBe(launch.hindrance);
});

test.each<[object: string, mode: LaunchMode]>([
  ["/lib/x86_64-linux-gnu/libselinux.so.1", "linux"],
  ["/usr/lib/libother.so.1", "native"],
])("%s asks for the labels of files", (path, mode) => {
  const library = object(path, { asks: [{ name: "lgetxattr" }] });
  expect(choose({}, "new", { closure: closure(object("/bin/ls"), [library, libc]) }).mode).toBe(mode);
});

describe("asked for", () => {
  test.each<[LaunchMode, string, Made, "old" | "new" | "demo", readonly RegExp[]]>([
    ["native", "nothing special", plain, "new", []],
    ["native", "Go", go, "new", [/^Go programs/]],
    ["native", "the demo kernel", plain, "demo", [/^The demo kernel has no linker/]],
    ["native", "a static program", fixedStatic, "new", [/linked statically/]],
    ["linux", "nothing special", plain, "new", []],
    ["linux", "the old kernel", plain, "old", [/cannot start the Linux loader/]],
    ["linux", "a static program", staticPie, "new", [/linked statically/]],
    ["linux", "a shared object", shared, "new", [/names no loader/]],
    ["linux", "another C library", { interpreter: "/lib/ld-musl-x86_64.so.1" }, "new", [/GNU C library only/]],
    ["linux", "another C library on the demo kernel", { interpreter: "/lib/ld-musl-x86_64.so.1" }, "demo", []],
    ["static", "a dynamic program", plain, "new", [/linked dynamically/]],
    ["static", "the old kernel", fixedStatic, "old", [/cannot start static programs/]],
  ])("%s: %s", (asked, _, program, generation, expected) => {
    const launch = choose(program, generation, { asked });
    expect(launch).toMatchObject({ mode: asked, chosen: "asked" });
    expect(launch.doubts).toHaveLength(expected.length);
    expected.forEach((pattern, index) => {
      expect(launch.doubts[index]).toMatch(pattern);
    });
  });

  test("the loader's place is named when nothing is there", () => {
    const launch = choose({}, "new", {
      asked: "linux",
      closure: { ...closure(object("/app")), interpreter: undefined },
    });
    expect(launch.doubts).toEqual([`The loader of the program, ${loader}, was not found.`]);
  });
});
