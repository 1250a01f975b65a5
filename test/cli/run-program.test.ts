import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, symlinkSync, truncateSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findProgram } from "../../src/cli/named-path.ts";
import { compile, REPORT } from "../support/guest.ts";
import { describeUnless, HELD_BY_MODES, lacksModes, lacksProgram, testUnless } from "../support/machine.ts";
import { Sandbox, STACK } from "../support/sandbox.ts";

const lacking =
  process.arch === "x64" && process.platform === "linux" ? lacksProgram("gcc") : "the built-in kernel is for x86-64";
const sandbox = new Sandbox();
// Where every test is skipped, nothing runs after them.
if (lacking !== undefined) sandbox.remove();
const cwd = sandbox.path("work");
const BUILTIN = ["-l", "builtin"] as const;

const ANSWER = "int answer(void) { return 42; }";
const ASKS = "int answer(void);\nint main(void) { return answer(); }";

interface DryRun {
  readonly name: string;
  readonly kind: string;
  readonly path: string;
  readonly launch: { readonly mode: string; readonly chosen: string };
  readonly loader: string;
  readonly commandLine: string;
  readonly items: readonly DryRunItem[];
  readonly files: number;
  readonly size: number;
  readonly missing: readonly { readonly name: string }[];
  readonly findings: readonly { readonly code: string; readonly severity: string; readonly path: string }[];
}

interface DryRunItem {
  readonly target: string;
  readonly source?: string;
  readonly role: string;
  readonly neededBy: readonly string[];
  readonly size: number;
}

const run = (...args: readonly string[]) => sandbox.run(["run", ...args], { cwd });

async function dryRun(program: string, flags: readonly string[] = [], args: readonly string[] = []): Promise<DryRun> {
  const behind = args.length === 0 ? [] : ["--", ...args];
  const words = ["run", program, ...flags, ...BUILTIN, "--dry-run", "--json", ...behind];
  return JSON.parse(await sandbox.ok(words, { cwd })) as DryRun;
}

const itemAt = ({ items }: DryRun, target: string) => items.find((item) => item.target === target);

beforeAll(() => {
  if (lacking !== undefined) return;
  sandbox.write({
    "work/s.cat": "#!/bin/cat\na line\n",
    "work/plain.txt": "text\n",
    "work/zero": "",
    "work/code.c": "int main;",
    "work/folder/file": "x",
    "work/conf/app.conf": "x",
    "work/project/meta/package.yaml": "name: inner\ntitle: x\nauthor: x\n",
    "work/project/meta/run.yaml": "runtime: native\nconfig_set:\n  default:\n    bootcmd: /x\n",
  });
  compile(`${cwd}/report`, REPORT);
  compile(`${cwd}/lib/libanswer.so.1`, ANSWER, ["-shared", "-fPIC", "-Wl,-soname,libanswer.so.1"]);
  symlinkSync("libanswer.so.1", `${cwd}/lib/libanswer.so`);
  const linked = [`-L${cwd}/lib`, "-lanswer"];
  compile(`${cwd}/bin/origin`, ASKS, ["-Wl,--no-as-needed", ...linked, "-Wl,-rpath,$ORIGIN/../lib"]);
  compile(`${cwd}/bin/lost`, ASKS, ["-Wl,--no-as-needed", ...linked]);
  mkdirSync(`${cwd}/empty`);
});

afterAll(() => sandbox.remove());

describeUnless(lacking)("run --dry-run of a program", () => {
  test("tells what goes in, why, from where and how big, and leaves store and folder as they were", async () => {
    const before = [sandbox.files("store"), sandbox.files("work")];
    const { code, stdout, stderr } = await run("./report", ...BUILTIN, "--dry-run", "--", "one", "two words");
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^program +\S+\/work\/report: an ELF program$/m);
    expect(stdout).toMatch(/^launch +linux: \S.*\.$/m);
    expect(stdout).toMatch(/^command +\/report one "two words"$/m);
    expect(stdout).toMatch(/^\S+ KiB +\/report +\S+\/work\/report +program, for the boot command$/m);
    expect(stdout).toMatch(/^\S+ [KM]iB +\/usr\/lib\/libc\.so\.6 +\S+\/libc\.so\.6.* +library, for \/report$/m);
    expect(stdout).toMatch(/^3 files, \S+ MiB in all$/m);
    expect([sandbox.files("store"), sandbox.files("work")]).toEqual(before);
  });

  test("--json has the same, in bytes", async () => {
    const told = await dryRun("./report");
    expect(told).toMatchObject({ name: "report", kind: "elf", path: `${cwd}/report`, loader: "builtin" });
    expect(told).toMatchObject({ commandLine: "/report", files: 3, missing: [], findings: [] });
    expect(told.items.map(({ role }) => role).sort()).toEqual(["library", "loader", "program"]);
    expect(told.size).toBe(told.items.reduce((sum, { size }) => sum + size, 0));
  });

  test("a library that is found from where the program lies keeps its place beside it", async () => {
    const told = await dryRun("bin/origin");
    const library = itemAt(told, "/lib/libanswer.so.1");
    expect(library).toMatchObject({ source: `${cwd}/lib/libanswer.so.1`, role: "library", neededBy: ["/origin"] });
  });

  test("--library-path: a library of there goes where the image's linker looks", async () => {
    const told = await dryRun("bin/lost", ["--library-path", "nowhere:lib"]);
    expect(itemAt(told, "/usr/lib/libanswer.so.1")?.source).toBe(`${cwd}/lib/libanswer.so.1`);
    expect([told.missing, told.findings]).toEqual([[], []]);
  });

  test("--library-path that is not there is told", async () => {
    const { code, stderr } = await run("bin/lost", ...BUILTIN, "--library-path", "nowhere", "--dry-run");
    expect([code, stderr]).toEqual([0, `Warning: --library-path ${cwd}/nowhere: there is no such folder\n`]);
  });

  test("a library that is nowhere: a finding that names program and library", async () => {
    const told = await dryRun("bin/lost");
    expect(told.missing.map(({ name }) => name)).toEqual(["libanswer.so.1"]);
    expect(told.findings).toMatchObject([{ code: "missing-library", severity: "error", path: "/lost" }]);
  });

  test("--with: files, folders with another place, and libraries with what they need", async () => {
    const told = await dryRun("./report", [
      "--with",
      "conf",
      "--with",
      "plain.txt:/etc/x",
      "--with",
      "lib/libanswer.so.1",
    ]);
    expect(itemAt(told, "/conf")?.role).toBe("with");
    expect(itemAt(told, "/etc/x")?.source).toBe(`${cwd}/plain.txt`);
    expect(itemAt(told, "/lib/libanswer.so.1")?.role).toBe("with");
  });

  test("--launch is obeyed", async () => {
    const told = await dryRun("./report", ["--launch", "native"]);
    expect(told.launch).toMatchObject({ mode: "native", chosen: "asked" });
    expect(told.findings.map(({ code }) => code)).toContain("missing-interpreter");
  });

  test("--sysroot: libraries of there, the program of here", async () => {
    const root = sandbox.path("other");
    const libraries = (await dryRun("./report")).items.flatMap(({ source = "", role }) =>
      role === "program" ? [] : [source],
    );
    for (const path of libraries) {
      execFileSync("mkdir", ["-p", `${root}/lib64`, `${root}/usr/lib`, `${root}/lib`]);
      copyFileSync(path, `${root}/${path.includes("ld-linux") ? "lib64/ld-linux-x86-64.so.2" : "lib/libc.so.6"}`);
    }
    const told = await dryRun("./report", ["--sysroot", root]);
    expect(itemAt(told, "/report")?.source).toBe(`${cwd}/report`);
    expect(itemAt(told, "/usr/lib/libc.so.6")?.source).toBe(`${root}/lib/libc.so.6`);
    expect(told.missing).toEqual([]);
  });

  describe("--sysroot: a program of there", () => {
    const root = sandbox.path("system");
    beforeAll(() => {
      sandbox.write({ "usr/share/script": "#!/bin/cat\n", "usr/bin/env": "#!/bin/cat\n" }, root);
      mkdirSync(`${root}/bin`);
      copyFileSync("/bin/cat", `${root}/bin/cat`);
      copyFileSync(`${cwd}/report`, `${root}/usr/bin/only-there`);
      symlinkSync("/usr/bin/only-there", `${root}/usr/bin/by-link`);
    });

    test.each([
      ["/usr/bin/only-there", "program"],
      ["/usr/bin/by-link", "program"],
      ["/usr/bin/nowhere", undefined],
    ])("%s is found as: %s", (word, kind) => {
      expect(findProgram(word, { cwd }, root)?.kind).toBe(kind);
      expect(findProgram(word, { cwd: sandbox.dir }, "system")?.kind).toBe(kind);
      expect(findProgram(word, { cwd })).toBeUndefined();
    });

    test("one that this machine has at the same path as well is that of there", async () => {
      const told = await dryRun("/usr/bin/env", ["--sysroot", root]);
      expect(told.kind).toBe("other-script");
      expect(itemAt(told, "/app/env")?.source).toBe(`${root}/usr/bin/env`);
    });
  });

  test("--with for a place that the guest mounts over, or that another one has, is a mistake", async () => {
    for (const [values, message] of [
      [["conf:/tmp/conf"], "--with conf:/tmp/conf: in the guest, /tmp is mounted anew"],
      [["conf", "plain.txt:/conf"], "--with conf and --with plain.txt:/conf are both for /conf"],
    ] as const) {
      const flags = values.flatMap((value) => ["--with", value]);
      const { code, stderr } = await run("./report", ...flags, ...BUILTIN, "--dry-run");
      expect(stderr).toContain(message);
      expect(code).toBe(64);
    }
  });

  test("a script's interpreter: the one that it names, another one by path or by name", async () => {
    const named = await dryRun("./s.cat");
    expect(named.commandLine).toMatch(/^--cwd=\/app (?:\/usr)?\/bin\/cat \/app\/s\.cat$/);
    for (const interpreter of ["/usr/bin/tac", "tac"]) {
      const told = await dryRun("./s.cat", ["--interpreter", interpreter]);
      expect(told.commandLine).toMatch(/^--cwd=\/app (?:\/usr)?\/bin\/tac \/app\/s\.cat$/);
    }
  });

  describe("names and arguments with anything in them", () => {
    test.each([
      ["two words", '"/two words"'],
      ["it's", '"/it\'s"'],
      ['quo"te', '"/quo\\"te"'],
      ["-dash", "/-dash"],
      ["a;b&c", '"/a;b&c"'],
    ])("a program called %s", async (name, command) => {
      copyFileSync(`${cwd}/report`, `${cwd}/${name}`);
      expect((await dryRun(`./${name}`)).commandLine).toBe(command);
    });

    test.each(["a$b", "größe", "$HOME"])("a program called %s comes through a variable", async (name) => {
      copyFileSync(`${cwd}/report`, `${cwd}/${name}`);
      const { commandLine, findings, name: short } = await dryRun(`./${name}`);
      expect(commandLine).toBe(`--env=CAPSTAN_WORD_1=/${name} $CAPSTAN_WORD_1`);
      expect(short).toMatch(/^[A-Za-z0-9][A-Za-z0-9._+-]*$/);
      // The check looks through it as the kernel does.
      expect(findings).toEqual([]);
    });

    test("arguments: as they are, through variables where OSv would read them otherwise", async () => {
      const { commandLine } = await dryRun("./report", [], ["-v", "", "a b", "$5", "é"]);
      expect(commandLine).toBe(
        '--env=CAPSTAN_WORD_1=$5 --env=CAPSTAN_WORD_2=é /report -v "" "a b" $CAPSTAN_WORD_1 $CAPSTAN_WORD_2',
      );
    });
  });

  test("a link to a program goes by the link's name", async () => {
    symlinkSync("report", `${cwd}/linked`);
    expect(await dryRun("./linked")).toMatchObject({ name: "linked", commandLine: "/linked" });
  });
});

describeUnless(lacking)("run of what is no program", () => {
  beforeAll(() => {
    execFileSync("mkfifo", [`${cwd}/fifo`]);
    symlinkSync("loop", `${cwd}/loop`);
    symlinkSync("nowhere", `${cwd}/dangling`);
    truncateSync(copied("huge"), 20 * 1024 ** 3);
  });

  const copied = (name: string) => {
    sandbox.write({ [`work/${name}`]: "" });
    return `${cwd}/${name}`;
  };

  test.concurrent.each([
    ["./fifo", "is a named pipe"],
    ["/dev/null", "is a device"],
    ["./empty", "is an empty folder"],
    ["./folder", "without package.json and without __main__.py"],
    [".", "without package.json and without __main__.py"],
    ["./zero", "is empty"],
    ["./code.c", "is C source"],
    ["./plain.txt", "neither a program nor a script"],
    ["./huge", "neither a program nor a script"],
    ["./loop", "too many symbolic links"],
    ["./dangling", "does not exist"],
    ["./nothere", "does not exist"],
    ["nothere.py", "no image 'nothere.py'", "There is no file nothere.py in"],
    ["report", "no image 'report'", "as a program, it is ./report"],
    ["plain.txt", "no image 'plain.txt'", "as a program, it is ./plain.txt"],
    ["report/x", "no image 'report/x'"],
    [`./${"n".repeat(300)}`, "does not exist"],
  ])("%s", async (word, message, hint = "\n") => {
    // A hang is what this must not be.
    const { code, stderr, stdout } = await run(word, ...BUILTIN);
    expect(stderr).toContain(message);
    expect(stderr).toContain(hint);
    expect(stderr).not.toMatch(STACK);
    expect([stdout, [65, 66, 71].includes(code ?? 0)]).toEqual(["", true]);
  });

  testUnless(lacksModes())("a program that may not be read", async () => {
    copyFileSync(`${cwd}/report`, `${cwd}/unreadable`);
    chmodSync(`${cwd}/unreadable`, 0o111);
    const { code, stderr } = await sandbox.run(["run", "./unreadable", ...BUILTIN], { cwd, through: HELD_BY_MODES });
    expect(stderr).toContain(`Reading '${cwd}/unreadable': permission denied`);
    expect(code).toBe(71);
  });

  test.concurrent.each([
    [["./report", "-e", "/x"], "--execute"],
    [["./report", "--boot", "x"], "--boot"],
    [["./report", "--interpreter", "cat"], "--interpreter goes with a script"],
    [["./report", "--strict", "--no-check"], "exclude each other"],
    [["name", "--with", "x"], "--with goes with a program"],
    [["name", "--", "x"], "Arguments are for a program"],
    [["./report", "--launch", "docker"], "Choose one of: auto, native, linux, static"],
  ])("%j is a mistake of usage", async (args, message) => {
    const { code, stderr } = await run(...args, ...BUILTIN, "--dry-run");
    expect(stderr).toContain(message);
    expect(code).toBe(64);
  });

  test.concurrent.each([
    [["./s.cat", "--interpreter", "/nothere"], "The interpreter '/nothere'"],
    [["./s.cat", "--interpreter", "no-such-thing"], "needs 'no-such-thing'"],
    [["./report", "--sysroot", "nothere"], `--sysroot ${cwd}/nothere: there is no such folder`],
    [["./report", "--with", "nothere"], "--with nothere"],
    [["./report", "--with", "certificate"], "Did you mean 'certificates'"],
  ])("%j names what is not there", async (args, message) => {
    const { code, stderr } = await run(...args, ...BUILTIN, "--dry-run");
    expect(stderr).toContain(message);
    expect([66, 69]).toContain(code);
  });

  test("without a loader in the store, the hint names the built-in one", async () => {
    const { code, stderr } = await run("./report");
    expect(stderr).toContain("--loader_image builtin");
    expect(code).toBe(66);
  });
});

describeUnless(lacking ?? lacksProgram("qemu-system-x86_64"))("a word that is an image and a file", () => {
  beforeAll(async () => {
    sandbox.write({ "root/x": "x", "work/both.py": "print()\n", "work/ns/image": "x" });
    for (const name of ["both.py", "ns/image"]) {
      await sandbox.ok(["compose", name, sandbox.path("root"), "-c", `/${name}`, ...BUILTIN, "--no-check"]);
    }
    copyFileSync(sandbox.image("both.py"), `${cwd}/disk.img`);
    copyFileSync(sandbox.image("both.py"), `${cwd}/disk-without-ending`);
  });

  const dryRunImage = (word: string) => sandbox.run(["run", word, "--dry-run", "--json"], { cwd });

  test.each([
    ["both.py", "both.py"],
    ["ns/image", "ns-image"],
    ["./disk.img", "disk"],
    ["./disk-without-ending", "disk-without-ending"],
  ])("%s is the image", async (word, name) => {
    const { code, stdout } = await dryRunImage(word);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ name, argv: expect.arrayContaining(["-drive"]) });
  });

  test("./both.py is the file", async () => {
    const { code, stderr } = await sandbox.run(["run", "./both.py", ...BUILTIN, "--interpreter", "cat", "--dry-run"], {
      cwd,
    });
    expect([code, stderr]).toEqual([0, ""]);
  });

  test("the folder of a project is composed as that project", async () => {
    const { stdout, code } = await run("./project", ...BUILTIN, "--dry-run", "--json", "--no-check");
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      name: "inner",
      argv: expect.arrayContaining(["runscript /run/default;"]),
    });
  });
});
