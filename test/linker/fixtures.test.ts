import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { afterAll, describe, expect, test } from "vitest";

import { hostSpace } from "../../src/filesystems/host-space.ts";
import { createLinker, type LinkerOptions } from "../../src/linker/linker.ts";
import { buildElf } from "../elf/build-elf.ts";
import { describeUnless, lacksProgram } from "../support/machine.ts";
import { Sandbox } from "../support/sandbox.ts";
import { askLdd, inItsWords } from "./judge.ts";

const sandbox = new Sandbox();
afterAll(() => sandbox.remove());
const space = hostSpace();
let count = 0;

/** A folder of its own for one test, in which things are built. */
class Workshop {
  readonly root = sandbox.path(`w${count++}`);

  path(name: string): string {
    return `${this.root}/${name}`;
  }

  /** A library `lib/liba.so` that calls those it needs, given by their paths. */
  library(path: string, needs: readonly string[] = [], ...options: readonly string[]): string {
    const name = path.replace(/^.*\/lib|\.so.*$/g, "");
    const calls = needs.map((need) => need.replace(/^.*\/lib|\.so.*$/g, ""));
    const source = `${calls.map((call) => `int ${call}(void);`).join("")} int ${name}(void) { return 1${calls.map((call) => ` + ${call}()`).join("")}; }`;
    return this.build(path, source, [
      "-shared",
      "-fPIC",
      `-Wl,-soname,${path.replace(/^.*\//, "")}`,
      ...options,
      ...this.links(needs),
    ]);
  }

  program(path: string, needs: readonly string[] = [], ...options: readonly string[]): string {
    const calls = needs.map((need) => need.replace(/^.*\/lib|\.so.*$/g, ""));
    const source = `${calls.map((call) => `int ${call}(void);`).join("")} int main(void) { return 0${calls.map((call) => ` + ${call}()`).join("")}; }`;
    return this.build(path, source, [...options, ...this.links(needs)]);
  }

  build(path: string, source: string, options: readonly string[]): string {
    const out = this.path(path);
    mkdirSync(dirname(out), { recursive: true });
    execFileSync("gcc", ["-x", "c", "-", "-o", out, "-Wl,--no-as-needed", "-Wl,--allow-shlib-undefined", ...options], {
      input: source,
    });
    return out;
  }

  /** By name, not by path, and each in its folder. */
  links(needs: readonly string[]): string[] {
    return [
      "-x",
      "none",
      ...needs.flatMap((need) => [`-L${dirname(this.path(need))}`, `-l:${need.replace(/^.*\//, "")}`]),
    ];
  }
}

/** The closure, after ldd was found to say the same. */
function agreed(path: string, options: Partial<LinkerOptions> = {}) {
  const closure = createLinker({ space, ...options }).closure(path);
  const env = options.libraryPath === undefined ? {} : { LD_LIBRARY_PATH: options.libraryPath.join(":") };
  const verdict = askLdd([path], env).get(path);
  expect(inItsWords(closure)).toEqual({ found: verdict?.found, missing: verdict?.missing });
  return closure;
}

const shown = (path: string, options?: Partial<LinkerOptions>) =>
  agreed(path, options)
    .libraries.filter(({ name }) => !/^(libc|ld-)/.test(name))
    .map(({ name, path: at, how, through }) => ({ name, path: at, how, through }));

const OLD = "-Wl,--disable-new-dtags";
const rpath = (value: string) => [OLD, `-Wl,-rpath,${value}`];
const runpath = (value: string) => ["-Wl,--enable-new-dtags", `-Wl,-rpath,${value}`];

const lacks = lacksProgram("gcc", "ldd");

describeUnless(lacks)("as ldd finds them", () => {
  test("by RUNPATH, with $ORIGIN", () => {
    const work = new Workshop();
    work.library("lib/liba.so");
    const program = work.program("bin/app", ["lib/liba.so"], ...runpath("$ORIGIN/../lib"));
    expect(shown(program)).toEqual([
      { name: "liba.so", path: work.path("bin/../lib/liba.so"), how: "runpath", through: "$ORIGIN/../lib" },
    ]);
  });

  test("by RPATH, with braces, past a directory that is not there", () => {
    const work = new Workshop();
    work.library("lib/liba.so");
    const program = work.program("bin/app", ["lib/liba.so"], ...rpath(`/nowhere/at/all:\${ORIGIN}/../lib/`));
    expect(shown(program)).toEqual([
      { name: "liba.so", path: work.path("bin/../lib/liba.so"), how: "rpath", through: `\${ORIGIN}/../lib/` },
    ]);
  });

  test("RPATH of the program counts for what its libraries need, RUNPATH does not", () => {
    const work = new Workshop();
    work.library("lib/libb.so");
    work.library("lib/liba.so", ["lib/libb.so"]);
    const old = work.program("old", ["lib/liba.so"], ...rpath("$ORIGIN/lib"));
    const recent = work.program("recent", ["lib/liba.so"], ...runpath("$ORIGIN/lib"));
    expect(shown(old).map(({ name }) => name)).toEqual(["liba.so", "libb.so"]);
    expect(agreed(recent).missing).toEqual([{ name: "libb.so", neededBy: [work.path("lib/liba.so")], refused: [] }]);
  });

  test("a library with a RUNPATH gives up the RPATH of those that loaded it", () => {
    const work = new Workshop();
    work.library("lib/libb.so");
    work.library("lib/liba.so", ["lib/libb.so"], ...runpath("/nowhere"));
    const program = work.program("app", ["lib/liba.so"], ...rpath("$ORIGIN/lib"));
    expect(agreed(program).missing).toMatchObject([{ name: "libb.so" }]);
  });

  test("RPATH of a library counts for what it loads, all the way down", () => {
    const work = new Workshop();
    work.library("deep/libd.so");
    work.library("deep/libb.so", ["deep/libd.so"]);
    work.library("lib/liba.so", ["deep/libb.so"], ...rpath("$ORIGIN/../deep"));
    const program = work.program("app", ["lib/liba.so"], ...runpath("$ORIGIN/lib"));
    expect(shown(program).map(({ name, how }) => [name, how])).toEqual([
      ["liba.so", "runpath"],
      ["libb.so", "rpath"],
      ["libd.so", "rpath"],
    ]);
  });

  test.each([
    ["before RUNPATH", runpath, "library-path"],
    ["after RPATH", rpath, "rpath"],
  ])("LD_LIBRARY_PATH counts %s", (_, option, how) => {
    const work = new Workshop();
    work.library("one/liba.so");
    work.library("two/liba.so");
    const program = work.program("app", ["one/liba.so"], ...option(work.path("one")));
    const libraryPath = ["", work.path("nowhere"), work.path("two")];
    expect(shown(program, { libraryPath })).toMatchObject([{ name: "liba.so", how }]);
  });

  test("an object that wants no default directories does not get its C library from them", () => {
    const work = new Workshop();
    const program = work.program("app", [], "-Wl,-z,nodefaultlib");
    expect(agreed(program).missing).toMatchObject([{ name: "libc.so.6" }]);
  });

  test("one file under two names is one object", () => {
    const work = new Workshop();
    work.library("lib/liba.so");
    work.library("lib/libz9.so");
    const program = work.program("app", ["lib/liba.so", "lib/libz9.so"], ...runpath("$ORIGIN/lib"));
    rmSync(work.path("lib/libz9.so"));
    symlinkSync("liba.so", work.path("lib/libz9.so"));
    const closure = agreed(program);
    expect(closure.program.elf.needed.slice(0, 2)).toEqual(["liba.so", "libz9.so"]);
    expect(shown(program)).toMatchObject([{ name: "liba.so" }]);
  });

  test("a name that is the SONAME of what is loaded is not looked for", () => {
    const work = new Workshop();
    work.library("lib/libreal.so.1");
    work.library("lib/libb.so", ["lib/libreal.so.1"]);
    renameSync(work.path("lib/libreal.so.1"), work.path("lib/libother.so"));
    const program = work.build("app", "int main(void) { return 0; }", [
      ...rpath("$ORIGIN/lib"),
      ...["-x", "none", ...work.links(["lib/libb.so"])],
    ]);
    expect(agreed(program).missing).toMatchObject([{ name: "libreal.so.1" }]);
    // An empty library of that name is linked, and then gives way to the one that calls itself libreal.so.1.
    const path = work.path("lib/libother.so");
    const kept = work.path("kept");
    renameSync(path, kept);
    work.library("lib/libother.so");
    const both = work.program("both", ["lib/libother.so", "lib/libb.so"], ...runpath("$ORIGIN/lib"));
    renameSync(kept, path);
    expect(shown(both).map(({ name }) => name)).toEqual(["libother.so", "libb.so"]);
    expect(agreed(both).libraries[0]?.neededBy).toEqual([both, work.path("lib/libb.so")]);
  });

  test("what is missing is told once, with all that need it, and looked for by each", () => {
    const work = new Workshop();
    work.library("far/libgone.so");
    work.library("lib/liba.so", ["far/libgone.so"]);
    work.library("lib/libb.so", ["far/libgone.so"]);
    work.library("lib/libd.so", ["far/libgone.so"], ...runpath(work.path("far")));
    const two = work.program("two", ["lib/liba.so", "lib/libb.so"], ...runpath("$ORIGIN/lib"));
    const three = work.program("three", ["lib/liba.so", "lib/libd.so"], ...runpath("$ORIGIN/lib"));
    const neededBy = [work.path("lib/liba.so"), work.path("lib/libb.so")];
    expect(agreed(two).missing).toEqual([{ name: "libgone.so", neededBy, refused: [] }]);
    expect(agreed(three).missing).toMatchObject([{ name: "libgone.so", neededBy: [work.path("lib/liba.so")] }]);
    expect(shown(three)).toContainEqual(
      expect.objectContaining({ name: "libgone.so", path: work.path("far/libgone.so") }),
    );
  });

  test.each([
    ["32 bit", buildElf({ bits: 32, machine: 3, soname: "liba.so" }), "is for i386"],
    ["another machine's", buildElf({ machine: 183, soname: "liba.so" }), "is for aarch64"],
  ])("a library that is %s is passed over", (_, bytes, why) => {
    const work = new Workshop();
    work.library("lib/liba.so");
    const program = work.program("app", ["lib/liba.so"], ...runpath("$ORIGIN/wrong:$ORIGIN/lib"));
    mkdirSync(work.path("wrong"));
    writeFileSync(work.path("wrong/liba.so"), bytes);
    expect(shown(program)).toMatchObject([{ name: "liba.so", path: work.path("lib/liba.so") }]);
    rmSync(work.path("lib/liba.so"));
    expect(agreed(program).missing).toMatchObject([{ refused: [{ path: work.path("wrong/liba.so"), why }] }]);
  });

  test("what is no library ends the search, as it ends the start of the program", () => {
    const work = new Workshop();
    work.library("lib/liba.so");
    const program = work.program("app", ["lib/liba.so"], ...runpath("$ORIGIN/wrong:$ORIGIN/lib"));
    mkdirSync(work.path("wrong"));
    writeFileSync(
      work.path("wrong/liba.so"),
      "GROUP ( AS_NEEDED ( libfoo.so.1 ) ) and some more so that a header fits in it",
    );
    const { missing } = createLinker({ space }).closure(program);
    expect(missing).toEqual([
      { name: "liba.so", neededBy: [program], refused: [{ path: work.path("wrong/liba.so"), why: "is no ELF file" }] },
    ]);
    expect(spawnSync(program).stderr.toString()).toContain("wrong/liba.so");
  });

  test("a library that is needed by its path", () => {
    const work = new Workshop();
    const path = work.build("lib/liba.so", "int a(void) { return 1; }", ["-shared", "-fPIC"]);
    const program = work.build("app", "int a(void); int main(void) { return a(); }", ["-x", "none", path]);
    expect(shown(program)).toEqual([{ name: path, path, how: "path", through: undefined }]);
  });

  test("$LIB and $PLATFORM", () => {
    const work = new Workshop();
    work.library("lib/liba.so");
    const program = work.program("app", ["lib/liba.so"], ...runpath(`$ORIGIN/$LIB/\${PLATFORM}:$ORIGIN/$LIBS`));
    const { libraries } = createLinker({ space }).closure(program);
    const libc = libraries.find(({ name }) => name.startsWith("libc."));
    // "/usr/lib/x86_64-linux-gnu/libc.so.6": what the machine has for $LIB is the folder of its C library.
    const lib = dirname(libc?.path ?? "").replace(/^\/(usr\/)?/, "");
    const platform = process.arch === "x64" ? "x86_64" : "aarch64";
    mkdirSync(work.path(`${lib}/${platform}`), { recursive: true });
    renameSync(work.path("lib/liba.so"), work.path(`${lib}/${platform}/liba.so`));
    expect(shown(program)).toMatchObject([{ name: "liba.so", path: work.path(`${lib}/${platform}/liba.so`) }]);
  });

  test("through a link, $ORIGIN of a program is where it really is", () => {
    const work = new Workshop();
    work.library("app/lib/liba.so");
    const program = work.program("app/bin/app", ["app/lib/liba.so"], ...runpath("$ORIGIN/../lib"));
    const link = work.path("link");
    symlinkSync(program, link);
    const { libraries } = createLinker({ space }).closure(link);
    expect(libraries[0]).toMatchObject({
      path: work.path("app/bin/../lib/liba.so"),
      realPath: work.path("app/lib/liba.so"),
    });
    // The link starts, which it could not without the library.
    expect(spawnSync(link).status).toBe(1);
  });

  test.each([
    ["static", ["-static"], "static"],
    ["static for any address", ["-static-pie"], "static-pie"],
    ["for a fixed address", ["-no-pie"], "position-dependent"],
    ["for any address", ["-pie"], "pie"],
    ["a library", ["-shared", "-fPIC"], "shared-object"],
    ["a library that needs nothing", ["-shared", "-fPIC", "-nostdlib"], "shared-object"],
  ])("what is %s is known as such", (_, options, kind) => {
    const work = new Workshop();
    const path = work.build("it", "int main(void) { return 0; }", options);
    const closure = agreed(path);
    expect(closure.program.elf.kind).toBe(kind);
    expect(closure.interpreter?.how).toBe(kind === "pie" || kind === "position-dependent" ? "interpreter" : undefined);
  });

  test("the dynamic linker is one of the libraries where something needs it by name", () => {
    const work = new Workshop();
    const program = work.program("app");
    const { interpreter, libraries } = agreed(program);
    const libc = libraries.find(({ name }) => name.startsWith("libc."));
    const asLibrary = libraries.find(({ how }) => how === "interpreter");
    expect(interpreter).toMatchObject({ how: "interpreter", neededBy: [program] });
    expect(libc?.elf.needed).toEqual([asLibrary?.name]);
    expect(asLibrary).toMatchObject({ path: interpreter?.path, neededBy: [libc?.path] });
  });
});

describeUnless(lacks)("what the kernel supplies", () => {
  test("is left out, with what only that needs", () => {
    const work = new Workshop();
    work.library("lib/libb.so");
    work.library("lib/liba.so", ["lib/libb.so"], ...runpath("$ORIGIN"));
    work.library("lib/libx.so");
    const program = work.program("app", ["lib/liba.so", "lib/libx.so"], ...runpath("$ORIGIN/lib"));
    const names = (supplied: readonly string[]) =>
      createLinker({ space, supplied: new Set(supplied) })
        .closure(program)
        .libraries.map(({ name }) => name);
    expect(names(["libc.so.6", "liba.so"])).toEqual(["libx.so"]);
    expect(names(["libc.so.6"])).toEqual(["liba.so", "libx.so", "libb.so"]);
  });

  test("is not missing where it is not there", () => {
    const work = new Workshop();
    work.library("lib/liba.so");
    const program = work.program("app", ["lib/liba.so"]);
    const { missing } = createLinker({ space, supplied: new Set(["liba.so"]) }).closure(program);
    expect(missing).toEqual([]);
  });
});

describeUnless(lacks)("a library that a running program opens", () => {
  const work = () => {
    const made = new Workshop();
    made.library("lib/libshared.so");
    made.library("lib/libextra.so");
    made.library("plugins/libplugin.so", ["lib/libshared.so", "lib/libextra.so"]);
    return made;
  };

  test("finds by the program's RPATH, and what is loaded already is not told again", () => {
    const made = work();
    const program = made.program("app", ["lib/libshared.so"], ...rpath("$ORIGIN/lib:$ORIGIN/plugins"));
    const linker = createLinker({ space });
    const before = linker.closure(program);
    const opened = linker.closure(made.path("plugins/libplugin.so"), { loadedBefore: before });
    expect(opened.missing).toEqual([]);
    expect(opened.program).toMatchObject({ path: made.path("plugins/libplugin.so"), neededBy: [] });
    expect(opened.libraries.map(({ name, how }) => [name, how])).toEqual([["libextra.so", "rpath"]]);
    const byName = linker.closure("libplugin.so", { loadedBefore: before });
    expect(byName.program).toMatchObject({ path: made.path("plugins/libplugin.so"), how: "rpath", neededBy: [] });
    expect(byName.libraries.map(({ name }) => name)).toEqual(["libextra.so"]);
    expect(linker.closure("libshared.so", { loadedBefore: before }).libraries).toEqual([]);
  });

  test("does not find by the program's RUNPATH, nor alone", () => {
    const made = work();
    const program = made.program("app", ["lib/libshared.so"], ...runpath("$ORIGIN/lib"));
    const linker = createLinker({ space });
    const before = linker.closure(program);
    const plugin = made.path("plugins/libplugin.so");
    expect(linker.closure(plugin, { loadedBefore: before }).missing.map(({ name }) => name)).toEqual(["libextra.so"]);
    expect(linker.closure(plugin).missing.map(({ name }) => name)).toEqual(["libshared.so", "libextra.so"]);
    expect(() => linker.closure("libnone.so", { loadedBefore: before })).toThrow(
      expect.objectContaining({ code: "no-such-file" }),
    );
  });
});

describe("what is no program", () => {
  test.each([
    ["nothing", "nothing", "no-such-file"],
    ["a folder", "", "not-a-file"],
    ["a text", "text", "not-elf"],
    ["a damaged one", "damaged", "bad-elf"],
  ])("%s is an error", (_, name, code) => {
    const work = new Workshop();
    mkdirSync(work.root);
    writeFileSync(work.path("text"), "hello");
    writeFileSync(work.path("damaged"), buildElf().subarray(0, 70));
    expect(() => createLinker({ space }).closure(work.path(name))).toThrow(expect.objectContaining({ code }));
  });
});
