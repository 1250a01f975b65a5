import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { explainedSignals, explainFailure, type FailedImage } from "../../src/check/explain.ts";
import { treeSpace } from "../../src/filesystems/tree-space.ts";
import { ConsoleWatch } from "../../src/instances/console-watch.ts";
import { signatures } from "../../src/instances/signatures.ts";
import { type SketchFolder, tree } from "../filesystems/trees.ts";
import { describeUnless, lacksProgram } from "../support/machine.ts";
import { Compiler, demoKernel, kernel, machine } from "./images.ts";

interface Boot {
  readonly console: string;
  readonly files: SketchFolder;
  readonly commandLine: string;
  readonly more?: Partial<FailedImage>;
}

/** What is told after a console like this. */
function explain({ console, files, commandLine, more = {} }: Boot): readonly string[] {
  const watch = new ConsoleWatch({ commandLine });
  watch.push(Buffer.from(`${console}\n`));
  const image = tree(files);
  return explainFailure(watch.finish().signals, {
    ...{ space: treeSpace(image, "test"), tree: image, commandLine, kernel: kernel() },
    ...more,
  });
}

const triplet = machine === "aarch64" ? "aarch64-linux-gnu" : "x86_64-linux-gnu";

describe("a program that is not there", () => {
  test.each<[console: string, files: SketchFolder, commandLine: string, words: string]>([
    ["Failed to load object: /x. Powering off.", { usr: { bin: { x: "" } } }, "/x", "Start /usr/bin/x, which is there"],
    ["Failed to load object: /x. Powering off.", {}, "/x", "/x, which is not in the image"],
    ["Failed to load object: /x. Powering off.", { x: ["/y"] }, "/x", "a link to /y"],
    ["Failed to open runscript file '/run/a'.", { run: { b: "/x" } }, "runscript /run/a;", "--boot b"],
    [
      "executable too short /x: file_size=18 need=64. Powering off.",
      { x: "#!/usr/bin/python3\n" },
      "/x",
      "/usr/bin/python3 /x",
    ],
    ["bad elf header. Powering off.", { x: "a text" }, "/x", "/x is no ELF program"],
    ["This image has an empty command line. Nothing to run.", {}, "", "no command to run"],
  ])("%s", (console, files, commandLine, words) => {
    const told = explain({ console, files, commandLine });
    expect(told).toHaveLength(1);
    expect(told[0]).toContain(words);
  });
});

test.each([
  "Hello, world",
  "program exited with status 1",
  "Out of memory: could not reclaim any further. Current memory: 512 Kb",
  "PHP Fatal error: Invalid date.timezone value 'UTC'",
])("nothing is added to: %s", (console) => {
  expect(explain({ console, files: {}, commandLine: "/x" })).toEqual([]);
});

describeUnless(lacksProgram("gcc"))("programs", () => {
  const gcc = new Compiler();
  const elf: Record<string, Buffer> = {};
  const get = (name: string): Buffer => elf[name] ?? Buffer.alloc(0);
  beforeAll(() => {
    elf["libleaf.so.1"] = gcc.library("libleaf.so.1", "int leaf(){ return 1; }");
    elf["libmid.so.1"] = gcc.library("libmid.so.1", "int leaf(); int mid(){ return leaf(); }", ["libleaf.so.1"]);
    elf.needs = gcc.build("needs", "int mid(); int main(){ return mid(); }", ["libmid.so.1", "-Wl,-rpath-link,."]);
    elf.careless = gcc.build(
      "careless",
      "int leaf(); int timer_create(); int main(){ return leaf() + timer_create(); }",
      ["-Wl,--unresolved-symbols=ignore-all"],
    );
    elf.tls = gcc.build("tls", "__thread char big[1000]; int main(int c){ big[c] = 1; return big[0]; }");
    elf.forks = gcc.build("forks", "int fork(); int main(){ return fork(); }");
    elf["libc.so.6"] = gcc.library("libc.so.6", "int timer_create(){ return 1; }");
  });
  afterAll(() => gcc.close());

  const host = () =>
    treeSpace(
      tree({ usr: { lib: { [triplet]: { "libleaf.so.1": get("libleaf.so.1"), "libc.so.6": get("libc.so.6") } } } }),
      "/",
    );

  test("a symbol of a library that the image lacks", () => {
    const files = { needs: get("needs"), usr: { lib: { "libmid.so.1": get("libmid.so.1") } } };
    const console = "/usr/lib/libmid.so.1: failed looking up symbol leaf";
    expect(explain({ console, files, commandLine: "/needs", more: { hostSpace: host() } })).toEqual([
      `leaf, which /usr/lib/libmid.so.1 calls, is in libleaf.so.1, which the image lacks. Put /usr/lib/${triplet}/libleaf.so.1 of this machine into the image: --with libleaf.so.1 of run and package add.`,
    ]);
  });

  test("a symbol of a library that neither the image nor this machine has", () => {
    const console = "/needs: failed looking up symbol mid";
    const told = explain({
      console,
      files: { needs: get("needs") },
      commandLine: "/needs",
      more: { hostSpace: host() },
    });
    expect(told).toEqual([expect.stringContaining("mid may be in libmid.so.1, which the image lacks.")]);
  });

  test("a symbol of a library that lies where OSv does not look", () => {
    const files = { needs: get("needs"), opt: { "libmid.so.1": get("libmid.so.1") } };
    const console = "/needs: failed looking up symbol mid";
    expect(explain({ console, files, commandLine: "/needs", more: { hostSpace: host() } })).toEqual([
      "mid, which /needs calls, is in libmid.so.1, which the image has only as /opt/libmid.so.1, where the loader does not look. Put it, or a link to it, into /usr/lib (ln -s /opt/libmid.so.1 usr/lib/libmid.so.1).",
    ]);
  });

  test.each<[way: string, linuxLoader: "explicit" | false]>([
    ["--launch linux", "explicit"],
    ["newer than 0.57.0", false],
  ])("a function of Linux's C library that OSv lacks: %s", (way, linuxLoader) => {
    const told = explain({
      console: "/careless: failed looking up symbol timer_create",
      files: { careless: get("careless") },
      commandLine: "/careless",
      more: { hostSpace: host(), kernel: kernel({ linuxLoader }) },
    });
    expect(told).toEqual([
      expect.stringMatching(/^timer_create, which \/careless calls, is a function of Linux's C library/),
    ]);
    expect(told[0]).toContain(way);
  });

  test("a symbol of a library that is there, and that nothing names", () => {
    const files = { careless: get("careless"), usr: { lib: { "libleaf.so.1": get("libleaf.so.1") } } };
    const console = "/careless: failed looking up symbol leaf (leaf())";
    expect(explain({ console, files, commandLine: "/careless" })).toEqual([
      expect.stringContaining("leaf, which /careless calls, is in /usr/lib/libleaf.so.1"),
    ]);
  });

  test("a symbol that nobody knows is left as it is", () => {
    const console = "/careless: failed looking up symbol nobody_knows";
    expect(explain({ console, files: { careless: get("careless") }, commandLine: "/careless" })).toEqual([]);
  });

  test("a library that Linux's dynamic loader does not find", () => {
    const files = {
      "ld-linux.so.2": get("libleaf.so.1"),
      needs: get("needs"),
      usr: { lib: { [triplet]: { "libmid.so.1": get("libmid.so.1") } } },
    };
    const error =
      "error while loading shared libraries: libleaf.so.1: cannot open shared object file: No such file or directory";
    const told = explain({
      console: `/needs: ${error}`,
      files,
      commandLine: "/ld-linux.so.2 /needs",
      more: { hostSpace: host() },
    });
    expect(told.join()).toContain("/libmid.so.1, which /needs loads, needs libleaf.so.1");
    expect(told.join()).toContain("--with libleaf.so.1");
  });

  test("a library that is opened at run time", () => {
    const error =
      "error while loading shared libraries: libplugin.so.4: cannot open shared object file: No such file or directory";
    const told = explain({ console: `/needs: ${error}`, files: { needs: get("needs") }, commandLine: "/needs" });
    expect(told).toEqual([expect.stringContaining("/needs loads libplugin.so.4 at run time, and the image lacks it.")]);
  });

  test("the program itself, which the dynamic loader does not find", () => {
    const files = { "ld-linux.so.2": get("libleaf.so.1"), usr: { bin: { needs: get("needs") } } };
    const console =
      "/needs: error while loading shared libraries: /needs: cannot open shared object file: No such file or directory";
    expect(explain({ console, files, commandLine: "/ld-linux.so.2 /needs" })).toEqual([
      expect.stringContaining("Start /usr/bin/needs, which is there"),
    ]);
  });

  test("thread-local storage, whether or not the kernel is known", () => {
    const console =
      "WARNING: /tls is a PIE using TLS of size 1000 which is greater than the 536 bytes limit. x\ngeneral protection fault";
    const boot = { console, files: { tls: get("tls") }, commandLine: "/tls" };
    expect(explain(boot)).toEqual([expect.stringContaining("1000 bytes of thread-local storage")]);
    expect(explain({ ...boot, more: { kernel: undefined } })).toEqual([]);
  });

  test("processes", () => {
    const told = explain({ console: "fork() stubbed", files: { forks: get("forks") }, commandLine: "/forks" });
    expect(told).toEqual([expect.stringContaining("/forks calls fork")]);
  });

  test("the demo kernel without the C library", () => {
    const console = "/needs needs the program interpreter /lib64/ld-linux-x86-64.so.2, which this image lacks (OSv …)";
    const told = explain({
      console,
      files: { needs: get("needs") },
      commandLine: "/needs",
      more: { kernel: demoKernel },
    });
    expect(told[0]).toContain("package add");
  });

  test("no more than five sentences", () => {
    const files = Object.fromEntries(Array.from({ length: 9 }, (_, index) => [`p${index}`, "a text"]));
    const commandLine = Object.keys(files)
      .map((name) => `/${name}`)
      .join(";");
    expect(explain({ console: "bad elf header. Powering off.", files, commandLine })).toHaveLength(5);
  });
});

test("every id that is explained is one of a signature", () => {
  const ids: readonly string[] = signatures.map(({ id }) => id);
  expect(explainedSignals.filter((id) => !ids.includes(id))).toEqual([]);
});
