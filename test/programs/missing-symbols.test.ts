import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { missingSymbols, missingSymbolsOnLinux } from "../../src/programs/missing-symbols.ts";
import { describeUnless, lacksProgram } from "../support/machine.ts";
import { closure, kernel, loaded, object } from "./launch-parts.ts";

describe("natively", () => {
  const libc = object("/lib/libc.so.6", {
    has: [{ name: "puts" }, { name: "fork_it" }, { name: "gone", type: "object" }],
  });
  const osv = kernel("new", { exports: new Set(["puts"]) });

  test.each<[string, Parameters<typeof object>[1], readonly object[]]>([
    ["what the kernel has is there", { asks: [{ name: "puts" }] }, []],
    [
      "a function is missed when it is called",
      { asks: [{ name: "fork_it" }] },
      [{ symbol: "fork_it", bound: "lazy", weak: false }],
    ],
    ["thread-local variables at once", { asks: [{ name: "t", type: "tls" }] }, [{ symbol: "t", bound: "eager" }]],
    [
      "other variables when they are used",
      { asks: [{ name: "gone", type: "object" }] },
      [{ symbol: "gone", bound: "lazy" }],
    ],
    [
      "a weak symbol that its system has is told",
      { asks: [{ name: "fork_it", weak: true }] },
      [{ symbol: "fork_it", weak: true }],
    ],
    ["a weak symbol that nothing has is not", { asks: [{ name: "__gmon_start__", weak: true }] }, []],
    [
      "copied variables at once",
      { has: [{ name: "gone", type: "object" }], relocations: [5] },
      [{ symbol: "gone", bound: "eager" }],
    ],
    ["a variable of its own is none that is copied", { has: [{ name: "gone", type: "object" }], relocations: [8] }, []],
  ])("%s", (_, made, expected) => {
    const found = missingSymbols(closure(object("/app", made), [libc]), osv);
    expect(found).toHaveLength(expected.length);
    expect(found).toMatchObject(expected.map((one) => ({ object: "/app", ...one })));
  });

  test("libraries of the image provide and ask, those that the kernel supplies do neither", () => {
    const own = object("/usr/lib/libown.so.1", { has: [{ name: "own" }], asks: [{ name: "of_own" }] });
    const supplied = object("/lib/libstdc++.so.6", { has: [{ name: "of_cxx" }], asks: [{ name: "of_gcc" }] });
    const program = object("/app", { asks: [{ name: "own" }, { name: "of_cxx" }] });
    const found = missingSymbols(closure(program, [own, supplied, libc]), osv);
    expect(found.map(({ symbol, object }) => [symbol, object])).toEqual([
      ["of_cxx", "/app"],
      ["of_own", "/usr/lib/libown.so.1"],
    ]);
  });
});

test("on Linux, everything must come from what is loaded, the loader too", () => {
  const program = object("/app", {
    asks: [
      { name: "puts" },
      { name: "__tls_get_addr" },
      { name: "f" },
      { name: "v", type: "object" },
      { name: "w", weak: true },
    ],
  });
  const found = missingSymbolsOnLinux(closure(program, [object("/lib/libc.so.6", { has: [{ name: "puts" }] })]));
  expect(found.map(({ symbol, bound }) => [symbol, bound])).toEqual([
    ["f", "lazy"],
    ["v", "eager"],
  ]);
});

describeUnless(process.arch === "x64" ? lacksProgram("gcc") : "needs an x86-64 compiler")(
  "with files of a compiler",
  () => {
    const folder = mkdtempSync(join(tmpdir(), "capstan-missing-"));
    afterAll(() => rmSync(folder, { recursive: true, force: true }));
    const compile = (name: string, source: string, ...flags: readonly string[]): string => {
      writeFileSync(join(folder, `${name}.c`), source);
      execFileSync("gcc", ["-o", join(folder, name), join(folder, `${name}.c`), ...flags], {
        stdio: ["ignore", "pipe", "pipe"],
      });
      return join(folder, name);
    };
    const source = "int variable = 5; __thread int local = 6; int called(void) { return 7; }";
    const library = compile("libparts.so", source, "-shared", "-fPIC", "-Wl,-soname,libparts.so");
    const use = (body: string) =>
      `extern int variable; extern __thread int local; int called(void); int main(void) { return ${body}; }`;
    const build = (name: string, body: string, ...flags: readonly string[]) =>
      closure(loaded(compile(name, use(body), library, ...flags)), [loaded(library, "libparts.so")]);
    const parts = kernel("new", {
      supplies: new Set(["libparts.so"]),
      exports: new Set(["__libc_start_main", "__tls_get_addr"]),
    });

    test.each<[string, string, readonly string[], string | undefined]>([
      ["call", "called()", ["-pie", "-fPIE"], "called lazy"],
      ["call-now", "called()", ["-pie", "-fPIE", "-Wl,-z,now"], "called lazy"],
      ["copy", "variable", ["-no-pie", "-fno-pie"], "variable eager"],
      ["got", "variable", ["-pie", "-fPIC"], "variable lazy"],
      ["tls", "local", ["-pie", "-fPIC"], "local eager"],
      ["none", "0", ["-pie", "-fPIE"], undefined],
    ])("%s", (name, body, flags, expected) => {
      const found = missingSymbols(build(name, body, ...flags), parts).map(({ symbol, bound }) => `${symbol} ${bound}`);
      expect(found).toEqual(expected === undefined ? [] : [expected]);
      expect(missingSymbols(build(`${name}-own`, body, ...flags), { ...parts, supplies: new Set() })).toEqual([]);
    });
  },
);
