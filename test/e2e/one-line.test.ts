import { execFileSync } from "node:child_process";
import { copyFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isElf } from "../../src/elf/reader.ts";
import { withOpenFile } from "../../src/filesystems/file-space.ts";
import { hostSpace } from "../../src/filesystems/host-space.ts";
import { boot, compile, lacksGuests, REPORT, told } from "../support/guest.ts";
import { describeUnless, findProgram, testUnless } from "../support/machine.ts";
import { Sandbox } from "../support/sandbox.ts";

const lacking = lacksGuests("gcc");
const sandbox = new Sandbox();
// Where every test is skipped, nothing runs after them.
if (lacking !== undefined) sandbox.remove();
const cwd = sandbox.path("work");
const { CAPSTAN_TEST_LOADER: loader, CAPSTAN_TEST_KERNEL: kernel } = process.env;
const hasOsv = loader !== undefined && kernel !== undefined;

/** A library of the program's own, and the two ways in which a program says where it lies. */
const library = (value: number) =>
  compile(`${cwd}/lib/libanswer.so.1`, `int answer(void) { return ${value}; }`, [
    ...["-shared", "-fPIC", "-Wl,-soname,libanswer.so.1"],
  ]);
const ASKS = `
#include <stdio.h>
int answer(void);
int main(void)
{
    printf("argument: [%d]\\n", answer());
    return 0;
}
`;
const asks = (name: string, ...flags: readonly string[]) =>
  compile(`${cwd}/bin/${name}`, ASKS, [
    "-fPIE",
    "-pie",
    "-Wl,--no-as-needed",
    `-L${cwd}/lib`,
    "-l:libanswer.so.1",
    ...flags,
  ]);

beforeAll(async () => {
  if (lacking !== undefined) return;
  sandbox.write({
    "work/app.py":
      "import json, sys\nimport helper\nprint('argument: [' + helper.text + ']', *sys.argv[1:])\nprint('done')\n",
    "work/helper.py": "text = 'from the neighbour'\n",
    "work/lines.cat": "#!/bin/cat\nargument: [a line]\n",
    "work/data/input": "argument: [data]\n",
  });
  compile(`${cwd}/report`, REPORT, ["-fPIE", "-pie"]);
  library(42);
  asks("rpath", "-Wl,--disable-new-dtags,-rpath,$ORIGIN/../lib");
  asks("runpath", "-Wl,--enable-new-dtags,-rpath,$ORIGIN/../lib");
  asks("absolute", `-Wl,-rpath,${cwd}/lib`);
  asks("lost");
  // Programs of one path share an image.
  asks("given");
  if (hasOsv) await sandbox.ok(["import", "osv-loader", loader, "--kernel", kernel]);
});

afterAll(() => sandbox.remove());

const KERNELS: readonly (readonly [title: string, loader: string, reason: string | undefined])[] = [
  ["the built-in kernel", "builtin", lacking],
  [
    "a real OSv",
    "osv-loader",
    lacking ??
      (hasOsv ? undefined : "set CAPSTAN_TEST_LOADER and CAPSTAN_TEST_KERNEL to a loader image and its kernel ELF"),
  ],
];

for (const [title, name, reason] of KERNELS)
  describeUnless(reason)(`one line runs on ${title}`, () => {
    const run = (program: string, ...args: readonly string[]) => boot(sandbox, [program, "-l", name, ...args], { cwd });

    describe.concurrent("a program with its libraries", () => {
      test.each([
        ["found by RPATH and $ORIGIN", "bin/rpath", []],
        ["found by RUNPATH and $ORIGIN", "bin/runpath", []],
        ["found by an absolute RUNPATH", "bin/absolute", []],
        ["found by --library-path", "bin/lost", ["--library-path", "lib"]],
        ["given by --with", "bin/given", ["--with", "lib/libanswer.so.1:/usr/lib/libanswer.so.1"]],
      ])("%s", async (_title, program, flags) => {
        const { stdout, stderr, code } = await run(program, ...flags);
        expect(told(stdout), stderr).toEqual(["argument: [42]"]);
        expect(code).toBe(0);
      });
    });

    test("arguments and variables reach the program as they are", async () => {
      const words = ["two words", "", "$HOME", 'say "x"', "it's", "a;b&c!", "C:\\x", "größe", "--flag", "-v"];
      const { stdout, code } = await run("./report", "--env", "TEST_X=$5 é", "--", ...words);
      expect(told(stdout)).toEqual([...words.map((word) => `argument: [${word}]`), "variable: [TEST_X=$5 é]", "done"]);
      expect(code).toBe(0);
    });

    test("nothing is composed again unless the program or a library changes; arguments change nothing", async () => {
      const before = sandbox.files("work");
      const composes = async (...args: readonly string[]) =>
        (await run("bin/rpath", ...args)).stderr.includes("Composed program/rpath-");
      await composes();
      expect(await composes()).toBe(false);
      expect(await composes("--env", "TEST_A=b", "--", "an argument")).toBe(false);
      library(43);
      const { stdout, stderr } = await run("bin/rpath");
      expect(stderr).toContain("Composed program/rpath-");
      expect(told(stdout)).toEqual(["argument: [43]"]);
      library(42);
      expect(sandbox.files("work")).toEqual(before);
    });
  });

describeUnless(lacking)("one line on the built-in kernel", () => {
  const run = (program: string, ...args: readonly string[]) =>
    boot(sandbox, [program, "-l", "builtin", ...args], { cwd });

  test("runs /bin/ls of this machine", async () => {
    const { stdout, code } = await run("/bin/ls", "--", "-l", "/");
    const names = [...stdout.matchAll(/^[dl-][rwxt-]{9}.* (\S+)$/gm)].map(([, name]) => name);
    expect(names).toEqual(expect.arrayContaining(["dev", "etc", "lib64", "usr"]));
    expect(code).toBe(0);
  });

  test("a library that is nowhere: a warning, exit code 1, and which program needed which library", async () => {
    asks("alone");
    const { stdout, stderr, code } = await run("bin/alone");
    expect(stderr).toMatch(/^Warning: \/alone needs libanswer\.so\.1, which the image lacks \[missing-library\]/m);
    expect(stdout).toContain("error while loading shared libraries");
    expect(stderr).toMatch(/^Error: \/alone needs libanswer\.so\.1, which the image lacks/m);
    expect(code).toBe(1);

    const unchecked = await run("bin/alone", "--no-check");
    expect(unchecked.stderr).not.toContain("Warning:");
    expect(unchecked.stderr).toContain("Error: /alone needs libanswer.so.1");

    const strict = await sandbox.run(["run", "bin/alone", "-l", "builtin", "--strict"], { cwd });
    expect(strict.stderr).toContain("1 finding of the check: /alone needs libanswer.so.1");
    expect([strict.code, strict.stdout]).toEqual([65, ""]);
  });

  test("a script: with its own interpreter and with another", async () => {
    expect(told((await run("./lines.cat")).stdout)).toEqual(["argument: [a line]"]);
    const { stdout } = await run("./lines.cat", "--interpreter", "tac");
    expect(stdout).toMatch(/argument: \[a line\]\n#!\/bin\/cat/);
    // The folder of this test lies in /tmp, where the guest has memory.
    copyFileSync("/usr/bin/tac", `${cwd}/bin/own-tac`);
    const own = await run("./lines.cat", "--interpreter", "bin/own-tac");
    expect(own.stdout).toMatch(/own-tac \/app\/lines\.cat\nargument: \[a line\]\n#!\/bin\/cat/);
  });

  test("the exit status of the program makes exit code 1", async () => {
    const { stderr, code } = await run("./report", "--env", "EXIT=3");
    expect(stderr).toContain("Error: The program ended with exit status 3");
    expect(code).toBe(1);
  });

  test("--name and --json: the instance's name, and the answer alone", async () => {
    const { stdout, stderr, code } = await run("./report", "--name", "my-name", "--json");
    expect(JSON.parse(stdout)).toMatchObject({ name: "my-name", outcome: "ok", commandLine: "/report" });
    expect(stderr).toContain("done");
    expect(code).toBe(0);
  });

  test("a program that is written anew runs anew", async () => {
    compile(`${cwd}/changing`, REPORT);
    expect(told((await run("./changing")).stdout)).toEqual(["done"]);
    compile(`${cwd}/changing`, ASKS.replace("int answer(void);", "static int answer(void) { return 7; }"));
    expect(told((await run("./changing")).stdout)).toEqual(["argument: [7]"]);
  });

  test("a project: package add, run, and after refresh with the new library", async () => {
    const project = sandbox.project("project");
    const options = { cwd: project };
    await sandbox.ok(["package", "add", `${cwd}/bin/lost`, "--library-path", `${cwd}/lib`, "-l", "builtin"], options);
    expect(told((await boot(sandbox, ["-l", "builtin"], options)).stdout)).toEqual(["argument: [42]"]);
    library(44);
    await sandbox.ok(["package", "refresh", "-l", "builtin"], options);
    library(42);
    expect(told((await boot(sandbox, ["-l", "builtin"], options)).stdout)).toEqual(["argument: [44]"]);
  });

  testUnless(lacksPython())("a Python script, with the module beside it", async () => {
    const { stdout, stderr, code } = await run("app.py", "--", "x");
    expect(stdout, stderr).toContain("argument: [from the neighbour] x\ndone\n");
    expect(stderr).toContain("--no-trim keeps them");
    expect(code).toBe(0);
  });
});

/** A wrapper in another language is no program that an image can hold: what counts is the program behind it. */
function lacksPython(): string | undefined {
  if (findProgram("python3") === undefined) return "python3 not installed";
  const path = execFileSync("python3", ["-c", "import sys; print(sys.executable)"]).toString().trim();
  const found = hostSpace("/").find(path);
  return found !== undefined && withOpenFile(found, isElf) ? undefined : "python3 is no ELF program here";
}
