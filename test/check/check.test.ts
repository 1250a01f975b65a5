import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Finding, findingCodes } from "../../src/check/finding.ts";
import type { Distribution } from "../../src/distributions/distribution.ts";
import type { FileEntry, TreeEntry } from "../../src/filesystems/filetree.ts";
import { treeSpace } from "../../src/filesystems/tree-space.ts";
import { file, type SketchFolder, tree } from "../filesystems/trees.ts";
import { describeUnless, lacksProgram } from "../support/machine.ts";
import { brief, Compiler, check, demoKernel, kernel, machine } from "./images.ts";

const loader = machine === "aarch64" ? "/lib/ld-linux-aarch64.so.1" : "/lib64/ld-linux-x86-64.so.2";
const loaderName = loader.slice(loader.lastIndexOf("/") + 1);

/** The same file, with another name of the same length in it. */
function renamed(bytes: Buffer, from: string, to: string): Buffer {
  if (from.length !== to.length) throw new RangeError(`${from} and ${to} differ in length`);
  return Buffer.from(bytes.toString("latin1").replaceAll(from, to), "latin1");
}

/** All findings that some test below has seen: each code has to be among them. */
const seen = new Set<string>();

function found(files: SketchFolder, commandLine: string, more: Parameters<typeof check>[2] = {}): readonly Finding[] {
  const findings = check(files, commandLine, more);
  for (const { code } of findings) seen.add(code);
  return findings;
}

describeUnless(lacksProgram("gcc"))("images", () => {
  const gcc = new Compiler();
  const elf: Record<string, Buffer> = {};
  beforeAll(() => {
    elf.hello = gcc.build("hello", 'int puts(const char*); int main(){ return puts("hello"); }');
    elf["libleaf.so.1"] = gcc.library("libleaf.so.1", "int leaf(){ return 1; }");
    elf["libmid.so.1"] = gcc.library("libmid.so.1", "int leaf(); int mid(){ return leaf(); }", ["libleaf.so.1"]);
    elf.needs = gcc.build("needs", "int mid(); int main(){ return mid(); }", ["libmid.so.1", "-Wl,-rpath-link,."]);
    elf.static = gcc.build("static", "int main(){ return 0; }", ["-static"]);
    elf.go = gcc.build(
      "go",
      '__attribute__((section(".go.buildinfo"))) char go[64] = "Go"; int main(){ return go[0]; }',
      ["-static"],
    );
    elf.goDynamic = gcc.build(
      "goDynamic",
      '__attribute__((section(".go.buildinfo"))) char go[64] = "Go"; int main(){ return go[0]; }',
    );
    elf.tls = gcc.build("tls", "__thread char big[1000]; int main(int c){ big[c] = 1; return big[0]; }");
    elf.forks = gcc.build("forks", "int fork(); int system(); int main(){ fork(); return system(0); }");
    elf.starts = gcc.build("starts", "int system(); int main(){ return system(0); }");
    elf["libforks.so"] = gcc.library("libforks.so", "int fork(); int calls(){ return fork(); }");
    elf.byLibrary = gcc.build("byLibrary", "int calls(); int main(){ return calls(); }", ["libforks.so"]);
    elf.odd = gcc.build(
      "odd",
      "int timer_create(); int getloadavg(); int main(){ timer_create(); return getloadavg(); }",
    );
    elf["libvar.so"] = gcc.library("libvar.so", "__thread int counter;");
    elf.variable = gcc.build("variable", "extern __thread int counter; int main(){ return counter; }", ["libvar.so"]);
    elf["old/libvar.so"] = gcc.library("libvar.so", "int other;");
    elf.calls = gcc.build(
      "calls",
      "int inotify_init(); int setuid(); int sigsuspend(); int main(){ inotify_init(); setuid(1); return sigsuspend(0); }",
    );
    elf.sockets = gcc.build("sockets", "int socket(); int main(){ return socket(1, 1, 1); }");
    elf.object = gcc.build("object", "int main(){ return 0; }", ["-c"]);
  });
  afterAll(() => gcc.close());
  const get = (name: string): Buffer => elf[name] ?? Buffer.alloc(0);

  /** The program's machine is at byte 18 of the header; 243 is RISC-V, which nobody runs these tests on. */
  const foreign = (name: string): Buffer => {
    const bytes = Buffer.from(get(name));
    bytes.writeUInt16LE(243, 18);
    return bytes;
  };

  describe("that are well", () => {
    test.each<[name: string, files: () => SketchFolder, line: string]>([
      ["a C program", () => ({ hello: get("hello") }), "/hello a b"],
      ["by its name alone, in the root", () => ({ hello: get("hello") }), "hello"],
      ["by its name alone, in /usr/lib", () => ({ usr: { lib: { hello: get("hello") } } }), "hello"],
      ["relative to --cwd", () => ({ opt: { bin: { hello: get("hello") } } }), "--cwd=/opt bin/hello"],
      ["through links", () => ({ opt: { hello: get("hello") }, bin: ["opt"] }), "/bin/hello"],
      [
        "by a script",
        () => ({ hello: get("hello"), run: { default: "--env=A=b /hello\n" } }),
        "runscript /run/default;",
      ],
      ["by a variable", () => ({ hello: get("hello") }), "--env=P=/hello $P"],
      ["a variable that the run will set", () => ({}), "$P"],
      [
        "its libraries in /usr/lib",
        () => ({
          needs: get("needs"),
          usr: { lib: { "libmid.so.1": get("libmid.so.1"), "libleaf.so.1": get("libleaf.so.1") } },
        }),
        "/needs",
      ],
      [
        "its libraries in /",
        () => ({ needs: get("needs"), "libmid.so.1": get("libmid.so.1"), "libleaf.so.1": get("libleaf.so.1") }),
        "/needs",
      ],
      ["a static program", () => ({ static: get("static") }), "/static"],
      [
        "data of all kinds",
        () => ({ hello: get("hello"), etc: { "a.so": "text", "b.so": "", shadow: "x" } }),
        "/hello",
      ],
    ])("%s", (_, files, line) => {
      expect(found(files(), line)).toEqual([]);
    });
  });

  describe("the boot command", () => {
    test.each<[name: string, files: () => SketchFolder, line: string, finding: string, words: string]>([
      ["nothing", () => ({}), "", "error no-boot-command /", "--run"],
      ["options alone", () => ({}), "--verbose", "error no-boot-command /", "--run"],
      [
        "what OSv drops",
        () => ({ hello: get("hello") }),
        "/hello; /hello é",
        "warning bad-boot-command /",
        "double quotes",
      ],
      [
        "a script that OSv stops at",
        () => ({ hello: get("hello"), run: { default: "/hello\n/hello é" } }),
        "runscript /run/default",
        "warning bad-boot-command /run/default",
        "double quotes",
      ],
      [
        "a script that is not there",
        () => ({ hello: get("hello"), run: { server: "/hello", client: "/hello" } }),
        "runscript /run/default",
        "error missing-program /run/default",
        "--boot client or --boot server",
      ],
      [
        "no scripts at all",
        () => ({}),
        "runscript /run/default",
        "error missing-program /run/default",
        "meta/run.yaml",
      ],
      ["no such program", () => ({}), "/hello", "error missing-program /hello", "image ls"],
      [
        "one that lies elsewhere",
        () => ({ usr: { bin: { hello: get("hello") } } }),
        "/hello",
        "error missing-program /hello",
        "Start /usr/bin/hello",
      ],
      [
        "one of nearly the name",
        () => ({ usr: { bin: { hello: get("hello") } } }),
        "/usr/bin/helo",
        "error missing-program /usr/bin/helo",
        "Start /usr/bin/hello",
      ],
      ["a broken link", () => ({ hello: ["/gone"] }), "/hello", "error missing-program /hello", "image ls"],
      [
        "in a script",
        () => ({ run: { default: "/hello" } }),
        "runscript /run/default",
        "error missing-program /hello",
        "image ls",
      ],
      [
        "no dynamic loader",
        () => ({ hello: get("hello") }),
        `${loader} /hello`,
        `error missing-program ${loader}`,
        "--launch linux",
      ],
      [
        "no program for the loader",
        () => ({ [loaderName]: get("libleaf.so.1") }),
        `/${loaderName} /hello`,
        "error missing-program /hello",
        "image ls",
      ],
      ["a directory", () => ({ app: {} }), "/app", "error not-a-program /app", "as an argument"],
      ["an empty file", () => ({ app: "" }), "/app", "error not-a-program /app", "as an argument"],
      ["a text", () => ({ app: "some text" }), "/app", "error not-a-program /app", "as an argument"],
      ["a script of a shell", () => ({ app: "#!/bin/sh\necho" }), "/app", "error not-a-program /app", "directly"],
      [
        "a script of env",
        () => ({ app: "#!/usr/bin/env python3\n" }),
        "/app",
        "error not-a-program /app",
        "python3 /app",
      ],
      [
        "a script of node",
        () => ({ app: "#! /usr/bin/node --x\n" }),
        "/app",
        "error not-a-program /app",
        "/usr/bin/node /app",
      ],
      ["a program for Windows", () => ({ app: "MZ\u0000" }), "/app", "error not-a-program /app", "as an argument"],
      ["an object file", () => ({ app: get("object") }), "/app", "error not-a-program /app", "as an argument"],
      [
        "an ELF file that is cut off",
        () => ({ app: get("hello").subarray(0, 100) }),
        "/app",
        "error bad-elf /app",
        "anew",
      ],
    ])("%s", (_, files, line, finding, words) => {
      const findings = found(files(), line);
      expect(brief(findings)).toEqual([finding]);
      expect(findings[0]?.advice).toContain(words);
    });

    test("an ELF file that is cut off tells what it lacks", () => {
      const [finding] = found({ app: get("hello").subarray(0, 2000) }, "/app");
      expect(finding?.problem).toMatch(/the entries of its dynamic section \(.*\) lie outside the file of 2000 bytes/);
    });

    test("says who starts it", () => {
      const [finding] = found({ run: { default: "/hello" } }, "runscript /run/default");
      expect(finding?.problem).toContain("/run/default starts /hello");
    });

    test("looks at 200 programs at most", () => {
      const line = Array.from({ length: 300 }, (_, index) => `/p${index}`).join(";");
      expect(found({}, line)).toHaveLength(200);
    });

    test("tells of all that are missing, and of each once", () => {
      expect(brief(found({}, "/b; /a; /b"))).toEqual(["error missing-program /a", "error missing-program /b"]);
    });
  });

  describe("configuration sets that the boot command does not run", () => {
    const sets = (scripts: Readonly<Record<string, string>>, more: SketchFolder = {}): SketchFolder => ({
      ...{ hello: get("hello"), needs: get("needs"), forks: get("forks"), odd: get("odd"), ...more },
      run: { default: "/hello", ...scripts },
    });
    const line = "runscript /run/default;";

    test("are looked at, and are no errors", () => {
      const findings = found(sets({ debug: "/needs" }), line);
      expect(brief(findings)).toEqual(["warning missing-library /needs"]);
      expect(findings[0]?.problem).toBe("With --boot debug only: /needs needs libmid.so.1, which the image lacks.");
    });

    test.each<[name: string, line: string, expected: readonly string[]]>([
      ["one that runs", "runscript /run/debug;", ["error missing-program /gone"]],
      ["one that runs, by another path", "runscript /run/../run/debug;", ["error missing-program /gone"]],
      ["one beside it", line, ["warning missing-program /gone"]],
      ["one beside a plain command", "/hello", ["warning missing-program /gone"]],
    ])("%s", (_, command, expected) => {
      expect(brief(found(sets({ debug: "/gone" }), command))).toEqual(expected);
    });

    test("what they have in common is said once, with their names", () => {
      const findings = found(sets({ a: "/gone", b: "/needs", c: "/needs", d: "/needs", e: "/needs" }), line);
      expect(findings.map(({ problem }) => problem)).toEqual([
        expect.stringMatching(/^With --boot a only: The configuration set \/run\/a starts \/gone/),
        expect.stringMatching(/^With --boot b, --boot c, --boot d or 1 more only: \/needs needs libmid/),
      ]);
    });

    test("what the boot command has as well is not said again", () => {
      const findings = found(sets({ default: "/needs", debug: "/needs a" }), line);
      expect(brief(findings)).toEqual(["error missing-library /needs"]);
    });

    test("notes stay notes", () => {
      expect(brief(found(sets({ debug: "/odd" }), line))).toEqual(["note missing-symbol /odd"]);
    });

    test.each([
      ["a program that the run will name", { env: "$PROGRAM a\n" }],
      ["what servers leave there", { "redis.pid": "12", "x.sock": "", "a.lock": "12" }],
    ])("%s is nothing to tell", (_, scripts) => {
      expect(found(sets(scripts), line)).toEqual([]);
    });

    test("programs of theirs are not plugins", () => {
      const files = sets({ debug: "/plugin.so" }, { "plugin.so": get("libmid.so.1") });
      expect(found(files, line).map(({ problem }) => problem)).toEqual([expect.stringMatching(/^With --boot debug/)]);
    });

    test("only the first 50 are looked at", () => {
      const many = Object.fromEntries(Array.from({ length: 80 }, (_, index) => [`s${index}`, `/p${index}`]));
      expect(found(sets(many), line)).toHaveLength(50);
    });
  });

  describe("what the kernel can", () => {
    const run = {
      kernel: kernel({
        staticPrograms: false,
        linuxLoader: false,
        tlsLimit: 100,
        relocations: new Set([6, 7, 8, 1025, 1026, 1027]),
      }),
    };

    test.each<[name: string, files: () => SketchFolder, line: string, finding: string]>([
      ["another machine", () => ({ app: foreign("hello") }), "/app", "error wrong-machine /app"],
      ["a static program", () => ({ app: get("static") }), "/app", "error static-program /app"],
      [
        "the dynamic loader",
        () => ({ app: get("hello"), lib64: { [loaderName]: get("libleaf.so.1") } }),
        `/lib64/${loaderName} /app`,
        "error linux-loader /app",
      ],
      ["thread-local storage", () => ({ app: get("tls") }), "/app", "warning thread-local-storage /app"],
    ])("%s", (_, files, line, finding) => {
      expect(brief(found(files(), line, run))).toContain(finding);
    });

    test("relocations that its linker does not know", () => {
      const few = { kernel: kernel({ relocations: new Set([1]) }) };
      expect(brief(found({ app: get("hello") }, "/app", few))).toEqual(["error relocations /app"]);
      const all = { kernel: kernel({ relocations: new Set([1, 6, 7, 8, 1025, 1026, 1027]) }) };
      expect(found({ app: get("hello") }, "/app", all)).toEqual([]);
    });

    test("Go programs that are static are known to hang", () => {
      const findings = found({ app: get("go") }, "/app");
      expect(brief(findings)).toEqual(["warning static-program /app"]);
      expect(findings[0]?.advice).toContain("-buildmode=pie");
      expect(found({ app: get("go") }, "/app", { kernel: demoKernel })).toEqual([]);
    });

    test.each<[linuxLoader: "explicit" | false, advice: string]>([
      ["explicit", "--launch linux"],
      [false, "newer than 0.57.0"],
    ])("Go programs need Linux's dynamic loader: %s", (linuxLoader, advice) => {
      const findings = found({ app: get("goDynamic") }, "/app", { kernel: kernel({ linuxLoader }) });
      expect(brief(findings)).toEqual(["error not-expected-to-run /app"]);
      expect(findings[0]?.advice).toContain(advice);
    });

    test("Go programs through Linux's dynamic loader are well", () => {
      const files = { app: get("goDynamic"), "libc.so.6": get("libleaf.so.1"), [loaderName]: get("libleaf.so.1") };
      expect(brief(found(files, `/${loaderName} --library-path / /app`))).toEqual([]);
    });

    test("less thread-local storage than it reserves is well", () => {
      expect(found({ app: get("tls") }, "/app", { kernel: kernel({ tlsLimit: 2000 }) })).toEqual([]);
    });

    test("advice is what this kernel can do", () => {
      const [old] = found({ app: get("tls") }, "/app", run);
      const [head] = found({ app: get("tls") }, "/app");
      expect(old?.advice).toContain("newer than 0.57.0");
      expect(head?.advice).toContain("--launch linux");
    });
  });

  describe("libraries", () => {
    const mid = () => ({ "libmid.so.1": get("libmid.so.1") });

    test("what the program misses", () => {
      const findings = found({ needs: get("needs") }, "/needs");
      expect(brief(findings)).toEqual(["error missing-library /needs"]);
      expect(findings[0]?.problem).toBe("/needs needs libmid.so.1, which the image lacks.");
    });

    test("what a library of it misses", () => {
      const [finding] = found({ needs: get("needs"), usr: { lib: mid() } }, "/needs");
      expect(finding).toMatchObject({ code: "missing-library", severity: "error", path: "/usr/lib/libmid.so.1" });
      expect(finding?.problem).toContain("/usr/lib/libmid.so.1, which /needs loads, needs libleaf.so.1");
    });

    test("many are told of in one sentence", () => {
      const names = ["liba.so.1", "libb.so.1", "libd.so.1", "libe.so.1"];
      for (const name of names) gcc.library(name, `int ${name.slice(0, 4)}(){ return 1; }`);
      const calls = names.map((name) => `${name.slice(0, 4)}()`);
      const many = gcc.build("many", `int main(){ return ${calls.join(" + ")}; }`, names);
      const [finding, ...others] = found({ many }, "/many");
      expect(others).toEqual([]);
      expect(finding).toMatchObject({ code: "missing-library", severity: "error", path: "/many" });
      expect(finding?.problem).toContain("liba.so.1, libb.so.1, libd.so.1 and libe.so.1, which the image lacks");
      expect(finding?.advice).toContain("--with liba.so.1 --with libb.so.1");
    });

    test("what lies where OSv does not look", () => {
      const files = {
        needs: get("needs"),
        usr: { lib: { ...mid(), "x86_64-linux-gnu": { "libleaf.so.1": get("libleaf.so.1") } } },
      };
      const [finding] = found(files, "/needs");
      expect(finding?.problem).toContain("only as /usr/lib/x86_64-linux-gnu/libleaf.so.1");
      expect(finding?.advice).toContain("ln -s /usr/lib/x86_64-linux-gnu/libleaf.so.1 usr/lib/libleaf.so.1");
    });

    test("what is there and is for another machine", () => {
      const files = { needs: get("needs"), usr: { lib: { ...mid(), "libleaf.so.1": foreign("libleaf.so.1") } } };
      const findings = found(files, "/needs").filter(({ code }) => code === "missing-library");
      expect(findings[0]?.problem).toContain("cannot be taken: /usr/lib/libleaf.so.1");
    });

    test.each<[name: string, host: SketchFolder, provider: string | undefined, advice: string]>([
      [
        "lies on this machine",
        { usr: { lib: { "libmid.so.1": "elf" } } },
        undefined,
        "Put /usr/lib/libmid.so.1 of this machine (of the package owner-of-it) into the image: --with libmid.so.1",
      ],
      ["is in a package", {}, "libmid1", "Install the package libmid1 on this machine (get libmid1)"],
      ["is nowhere", {}, undefined, "Find the package that has libmid.so.1"],
    ])("what %s", (_, host, provider, advice) => {
      const distribution: Distribution = {
        manager: "dpkg",
        ownerOf: () => ({ name: "owner-of-it", version: undefined }),
        providerOf: () => provider,
        installCommand: (name) => `get ${name}`,
      };
      const more = { distribution, hostSpace: treeSpace(tree(host), "/") };
      expect(found({ needs: get("needs") }, "/needs", more)[0]?.advice).toContain(advice);
    });

    test("what lies beside the file of this machine that needs it", () => {
      const host = tree({ opt: { app: { "libmid.so.1": "elf" } }, usr: { lib: { "libmid.so.1": "elf" } } });
      const image = tree({ needs: get("needs") });
      const entry = image.children.get("needs") as FileEntry;
      image.children.set("needs", { ...entry, content: { kind: "host", path: "/opt/app/needs" } });
      const more = { tree: image, hostSpace: treeSpace(host, "/") };
      const [finding] = found({ needs: get("needs") }, "/needs", more);
      expect(finding?.advice).toBe(
        "Put /opt/app/libmid.so.1 of this machine into the image: --library-path /opt/app of run and package add.",
      );
    });

    test("the kernel that reads PT_INTERP needs the loader and the C library in the image", () => {
      const findings = found({ hello: get("hello") }, "/hello", { kernel: demoKernel });
      expect(brief(findings)).toEqual(["error missing-interpreter /hello", "error missing-library /hello"]);
      expect(findings[0]?.problem).toContain(loader);
    });

    test("symbols are not told of where a library is missing", () => {
      expect(found({ needs: get("needs") }, "/needs").map(({ code }) => code)).not.toContain("missing-symbol");
    });
  });

  describe("symbols", () => {
    const roomy = kernel(
      { tlsLimit: undefined },
      { exports: new Set([...(kernel().exports ?? []), "__tls_get_addr"]) },
    );

    test("functions that nothing has", () => {
      const [finding, ...others] = found({ odd: get("odd") }, "/odd");
      expect(others).toEqual([]);
      expect(finding).toMatchObject({ code: "missing-symbol", severity: "note", path: "/odd" });
      expect(finding?.problem).toContain("getloadavg and timer_create");
    });

    test("variables without which it does not start", () => {
      const files = { variable: get("variable"), "libvar.so": get("libvar.so") };
      expect(found(files, "/variable", { kernel: roomy })).toEqual([]);
      const findings = found({ ...files, "libvar.so": get("old/libvar.so") }, "/variable", { kernel: roomy });
      expect(brief(findings)).toEqual(["error missing-symbol /variable"]);
      expect(findings[0]?.problem).toContain("cannot be loaded without counter");
    });

    test.each<[title: string, here: readonly string[], words: RegExp]>([
      ["not known", [], /^If it stops there, run it with --launch linux\.$/],
      ["both", ["timer_create", "getloadavg"], /^If it stops there, run it with --launch linux\.$/],
      ["one", ["timer_create"], /--launch linux\. Linux's C library lacks getloadavg as well: link .* has it,/],
      ["none", ["other"], /^Linux's C library lacks getloadavg and timer_create as well: link .* has them,/],
    ])("Linux's loader is no advice for what Linux lacks: it has %s", (title, here, words) => {
      const functions = here.map((name) => `int ${name}(){ return 1; }`).join("\n");
      const libc = gcc.library("libc.so.6", functions, ["-nostdlib"]);
      const host = title === "not known" ? {} : { usr: { lib: { "libc.so.6": libc } } };
      const [finding] = found({ odd: get("odd") }, "/odd", { hostSpace: treeSpace(tree(host), "/") });
      expect(finding?.advice).toMatch(words);
    });

    test("of a kernel that is not known nothing is said", () => {
      expect(found({ odd: get("odd") }, "/odd", { kernel: kernel({}, { exports: undefined }) })).toEqual([]);
    });
  });

  describe("calls", () => {
    test("that start processes", () => {
      const findings = found({ forks: get("forks") }, "/forks");
      expect(brief(findings)).toEqual(["warning starts-processes /forks"]);
      expect(findings[0]?.problem).toContain("calls fork and system");
    });

    test.each([
      ["nginx", "master_process off"],
      ["python3.11", "subprocess"],
      ["bash", "built into the shell"],
      ["other", "foreground"],
    ])("%s has advice of its own", (name, advice) => {
      expect(found({ [name]: get("forks") }, `/${name}`)[0]?.advice).toContain(advice);
    });

    test.each([
      ["/forks", "warning"],
      ["/nginx", "warning"],
      ['/nginx -g "daemon off; master_process off;"', "note"],
      ["/memcached -u root", "note"],
      ["/memcached -d", "warning"],
      ["/haproxy -dbx", "warning"],
      ["/haproxy -db", "note"],
      ["/lighttpd -D -f x", "note"],
      ["/python3.11", "note"],
      ["/bash", "warning"],
    ])("%s: a %s", (line, severity) => {
      const name = /^\/(\S+)/.exec(line)?.[1] ?? "";
      expect(brief(found({ [name]: get("forks") }, line))).toEqual([`${severity} starts-processes /${name}`]);
    });

    test("of programs that start others alone are worth a note", () => {
      expect(brief(found({ starts: get("starts") }, "/starts"))).toEqual(["note starts-processes /starts"]);
    });

    test("of libraries are worth a note", () => {
      const files = { byLibrary: get("byLibrary"), "libforks.so": get("libforks.so") };
      expect(brief(found(files, "/byLibrary"))).toEqual(["note starts-processes /libforks.so"]);
    });

    test("are well on a kernel that can", () => {
      expect(found({ forks: get("forks") }, "/forks", { kernel: kernel({ fork: true }) })).toEqual([]);
    });

    test("that the kernel only pretends to have", () => {
      const findings = found({ calls: get("calls") }, "/calls");
      expect(brief(findings)).toEqual(["warning unsupported-call /calls", "note unsupported-call /calls"]);
      expect(findings[0]?.problem).toContain("sigsuspend");
      expect(findings[1]?.problem).toMatch(/setuid \(.*inotify_init \(/);
    });

    test("that the demo kernel lacks", () => {
      const codes = brief(found({ sockets: get("sockets") }, "/sockets", { kernel: demoKernel }));
      expect(codes).toContain("warning unsupported-call /sockets");
    });
  });

  describe("ELF files that are opened later", () => {
    const plugin = () => ({ hello: get("hello"), plugins: { "a.so": get("libmid.so.1"), "b.so": get("libmid.so.1") } });

    test("may miss libraries: each is told once", () => {
      const findings = found(plugin(), "/hello");
      expect(brief(findings)).toEqual(["warning missing-library /plugins/a.so"]);
      expect(findings[0]?.problem).toContain("so does /plugins/b.so");
    });

    test("are well with their libraries, or with those of the program", () => {
      expect(found({ ...plugin(), usr: { lib: { "libleaf.so.1": get("libleaf.so.1") } } }, "/hello")).toEqual([]);
    });

    test("that miss many are told of in one sentence", () => {
      const names = ["liba.so.1", "libb.so.1", "libc1.so.1", "libd.so.1"];
      const plugins = Object.fromEntries(
        names.map((name, index) => [`p${index}.so`, renamed(get("libmid.so.1"), "libleaf.so.1", name.padEnd(12, "0"))]),
      );
      const [finding, ...others] = found({ hello: get("hello"), plugins }, "/hello");
      expect(others).toEqual([]);
      expect(finding).toMatchObject({ severity: "warning", code: "missing-library", path: "/plugins/p0.so" });
      expect(finding?.problem).toContain(
        "/plugins/p0.so, /plugins/p1.so, /plugins/p2.so and 1 other need liba.so.1000",
      );
      expect(finding?.advice).toContain("--with liba.so.1000 --with libb.so.1000");
    });

    test("and miss what lies elsewhere are worth a note: it may be loaded by then", () => {
      const files = { ...plugin(), opt: { "libleaf.so.1": get("libleaf.so.1") } };
      expect(brief(found(files, "/hello"))).toEqual(["note missing-library /plugins/a.so"]);
    });

    test("of OSv's own base are of no use to another kernel", () => {
      const lib = { "libenviron.so": get("libmid.so.1"), "libgcc_s.so.1": get("libmid.so.1") };
      const files = { static: get("static"), "libvdso.so": get("libmid.so.1"), usr: { lib } };
      expect(found(files, "/static", { kernel: demoKernel })).toEqual([]);
      expect(brief(found({ ...files, "other.so": get("libmid.so.1") }, "/static", { kernel: demoKernel }))).toContain(
        "warning missing-library /other.so",
      );
      expect(brief(found(files, "/static"))).toEqual(["warning missing-library /libvdso.so"]);
    });

    test("may be for another machine", () => {
      const findings = found(
        { hello: get("hello"), x: { "a.so": foreign("libleaf.so.1"), "b.so": foreign("libleaf.so.1") } },
        "/hello",
      );
      expect(brief(findings)).toEqual(["warning wrong-machine /x/a.so"]);
      expect(findings[0]?.problem).toContain("so is /x/b.so");
    });

    test("may be damaged", () => {
      expect(brief(found({ hello: get("hello"), "a.so": get("libleaf.so.1").subarray(0, 200) }, "/hello"))).toEqual([
        "warning bad-elf /a.so",
      ]);
    });

    test("are looked at where nothing starts as well", () => {
      expect(brief(found({ "a.so": get("libmid.so.1") }, "$P"))).toEqual(["warning missing-library /a.so"]);
    });
  });
});

describe("what the image does not keep", () => {
  const mode = (bits: number, name = "x"): { readonly [name: string]: TreeEntry } => ({
    [name]: { ...file("content"), mode: bits } as FileEntry,
  });
  const withEntries = (entries: { readonly [name: string]: TreeEntry }, hasModes = true) => {
    const image = tree({});
    for (const [name, entry] of Object.entries(entries)) image.children.set(name, entry);
    return found({}, "$P", { tree: image, hasModes });
  };

  test.each([
    [0o4755, "note set-uid /x"],
    [0o2755, "note set-uid /x"],
  ])("mode %o", (bits, finding) => {
    expect(brief(withEntries(mode(bits)))).toEqual([finding]);
    expect(withEntries(mode(bits), false)).toEqual([]);
  });

  test.each([0o755, 0o644, 0o1777, 0o600])("mode %o is nothing to tell", (bits) => {
    expect(withEntries(mode(bits))).toEqual([]);
  });

  test.each(["ssh_host_rsa_key", "server.key", "cert.pem", "id_ed25519", "shadow"])("%s was private", (name) => {
    expect(brief(withEntries(mode(0o600, name)))).toEqual([`note mode-lost /${name}`]);
    expect(withEntries(mode(0o644, name))).toEqual([]);
    expect(withEntries(mode(0o600, name), false)).toEqual([]);
  });

  test("one finding for all of a kind", () => {
    const findings = withEntries({
      ...mode(0o4755, "a"),
      ...mode(0o4755, "b"),
      ...mode(0o4755, "c"),
      ...mode(0o4755, "d"),
    });
    expect(findings).toHaveLength(1);
    expect(findings[0]?.problem).toContain("/a, /b, /c and 1 other");
  });

  test("names that cannot be looked up", () => {
    expect(withEntries({ ["n".repeat(255)]: file(""), ["\udcff".repeat(255)]: file("") })).toEqual([]);
    expect(brief(withEntries({ ["é".repeat(128)]: file("") }))).toEqual([`warning name-too-long /${"é".repeat(128)}`]);
  });
});

test("files whose bytes cannot be got at are passed over", () => {
  const image = tree({ app: "x", "a.so": "x" });
  const stream = { name: "a.tar", open: () => (async function* () {})() };
  for (const [name, entry] of image.children) {
    image.children.set(name, { ...entry, size: 1000, content: { kind: "extent", stream, offset: 0 } } as FileEntry);
  }
  expect(found({}, "/app", { tree: image, space: treeSpace(image, "test") })).toEqual([]);
});

describeUnless(lacksProgram("gcc"))("the table of codes", () => {
  test("has none that no test above has seen", () => {
    // Of programs, not of images: the command line tells it.
    seen.add("program-note");
    expect(Object.keys(findingCodes).filter((code) => !seen.has(code))).toEqual([]);
  });
});
