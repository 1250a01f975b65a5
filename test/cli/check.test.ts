import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findingCodes } from "../../src/check/finding.ts";
import { compile } from "../support/guest.ts";
import { describeUnless, lacksProgram } from "../support/machine.ts";
import { Sandbox } from "../support/sandbox.ts";

const lacking =
  process.arch === "x64" && process.platform === "linux" ? lacksProgram("gcc") : "the built-in kernel is for x86-64";
const sandbox = new Sandbox();
// Where every test is skipped, nothing runs after them.
if (lacking !== undefined) sandbox.remove();
const cwd = sandbox.path("work");
const BUILTIN = ["-l", "builtin"] as const;

interface Checked {
  readonly kind: string;
  readonly path: string;
  readonly loader: string;
  readonly findings: readonly {
    readonly code: string;
    readonly severity: string;
    readonly path: string;
    readonly problem: string;
    readonly advice: string;
  }[];
  readonly errors: number;
  readonly warnings: number;
  readonly notes: number;
}

const ASKS = "int answer(void);\nint main(void) { return answer(); }";
const FORKS = "#include <unistd.h>\nint main(void) { return fork(); }";

const run = (args: readonly string[], folder = cwd) => sandbox.run(args, { cwd: folder });
const check = async (
  args: readonly string[],
  folder = cwd,
): Promise<Checked & { readonly exitCode: number | null }> => {
  const { stdout, code } = await run(["check", ...args, "--json"], folder);
  return { ...(JSON.parse(stdout) as Checked), exitCode: code };
};

beforeAll(() => {
  if (lacking !== undefined) return;
  compile(`${cwd}/fine`, "int main(void) { return 0; }");
  compile(`${cwd}/forks`, FORKS);
  compile(`${cwd}/lib/libanswer.so.1`, "int answer(void) { return 42; }", [
    ...["-shared", "-fPIC", "-Wl,-soname,libanswer.so.1"],
  ]);
  compile(`${cwd}/lost`, ASKS, ["-Wl,--no-as-needed", `-L${cwd}/lib`, "-l:libanswer.so.1"]);
  compile(sandbox.path("root/lost"), ASKS, ["-Wl,--no-as-needed", `-L${cwd}/lib`, "-l:libanswer.so.1"]);
  compile(sandbox.path("root/static"), "int main(void) { return 0; }", ["-static"]);
});

afterAll(() => sandbox.remove());

describeUnless(lacking)("check", () => {
  test("a program that has all: nothing is found, and nothing is written", async () => {
    const before = sandbox.files("");
    const { stdout, code, stderr } = await run(["check", "./fine", ...BUILTIN]);
    expect([stdout, stderr, code]).toEqual(["Nothing was found.\n", "", 0]);
    expect(sandbox.files("").filter((path) => !path.startsWith("store/"))).toEqual(before);
  });

  test("a program that lacks a library: code, path, why and what to do; exit code 65", async () => {
    const { stdout, code } = await run(["check", "./lost", ...BUILTIN]);
    expect(stdout).toMatch(
      /^error {2}\/lost {2}\[missing-library\]\n {2}\/lost needs libanswer\.so\.1, .*\n {2}\S.*\n\n/,
    );
    expect(stdout).toMatch(/1 error, \d+ warnings?, \d+ notes?\n$/);
    expect(code).toBe(65);
  });

  test("--library-path finds it", async () => {
    expect(await check(["./lost", ...BUILTIN, "--library-path", "lib"])).toMatchObject({ findings: [], exitCode: 0 });
  });

  test("--json: every finding has a known code, a severity, a path, and two sentences; they are counted", async () => {
    const value = await check(["./lost", ...BUILTIN]);
    expect(value).toMatchObject({ kind: "program", path: `${cwd}/lost`, loader: "builtin" });
    for (const { code, severity, path, problem, advice } of value.findings) {
      expect(Object.keys(findingCodes)).toContain(code);
      expect(["error", "warning", "note"]).toContain(severity);
      expect(path).toMatch(/^\//);
      expect([problem, advice]).toEqual([expect.stringMatching(/\S/), expect.stringMatching(/\S/)]);
    }
    expect(value.errors + value.warnings + value.notes).toBe(value.findings.length);
  });

  test("a warning fails with --strict alone", async () => {
    const value = await check(["./forks", ...BUILTIN]);
    expect(value).toMatchObject({ errors: 0, exitCode: 0 });
    expect(value.warnings, JSON.stringify(value.findings)).toBeGreaterThan(0);
    expect((await check(["./forks", ...BUILTIN, "--strict"])).exitCode).toBe(65);
  });

  test("what is known of the start is an error, and what the program may miss a note", async () => {
    const value = await check(["./fine", ...BUILTIN, "--launch", "native"]);
    expect(value.exitCode).toBe(65);
    const found = value.findings.find(({ code }) => code === "not-expected-to-run");
    expect(found).toMatchObject({ severity: "error", path: "/fine" });
    expect(found?.problem).toMatch(/^\/fine is not expected to run: .*no linker and no C library/);
    expect(found?.advice).toContain("Leave --launch native out");
  });

  test.skipIf(lacksProgram("node") !== undefined)("notes of the program are findings", async () => {
    sandbox.write({ "app.js": 'require("nothere-at-all");\n' }, cwd);
    const value = await check(["./app.js", ...BUILTIN]);
    const notes = value.findings.filter(({ code }) => code === "program-note");
    expect(notes, JSON.stringify(value.findings)).toHaveLength(1);
    expect(notes[0]).toMatchObject({ severity: "note", problem: expect.stringContaining("nothere-at-all") });
  });

  test.each([
    ["forks", [], 0],
    ["forks", ["--strict"], 65],
    ["fine", ["--strict"], 0],
    ["lost", ["--strict"], 65],
  ] as const)("run --dry-run of %s %j: exit code %i", async (name, flags, expected) => {
    const { code, stdout } = await run(["run", `./${name}`, ...BUILTIN, "--dry-run", ...flags]);
    expect(stdout).toContain("IN THE IMAGE");
    expect(code).toBe(expected);
  });

  describe("of a project", () => {
    const project = () =>
      sandbox.project("app", {
        lost: readFileSync(`${cwd}/lost`),
        "meta/run.yaml": "runtime: native\nconfig_set:\n  default:\n    bootcmd: /nothere\n",
      });

    test("here, and by its folder: the boot command names what is not in it; nothing is composed", async () => {
      const folder = project();
      const here = await check([...BUILTIN], folder);
      expect(here).toMatchObject({ kind: "project", path: folder, exitCode: 65 });
      expect(here.findings.map(({ code, path }) => [code, path])).toEqual([["missing-program", "/nothere"]]);
      expect((await check([folder, ...BUILTIN])).findings).toEqual(here.findings);
      expect(sandbox.files("store/repository/app")).toEqual([]);
    });

    test("all its sets are looked at; those that do not run by default give warnings", async () => {
      const folder = sandbox.project("sets", {
        fine: readFileSync(sandbox.path("root/static")),
        "meta/run.yaml":
          "runtime: native\nconfig_set:\n  serve:\n    bootcmd: /fine\n  debug:\n    bootcmd: /nothere\nconfig_set_default: serve\n",
      });
      const value = await check([...BUILTIN], folder);
      expect(value).toMatchObject({ errors: 0, warnings: 1, exitCode: 0 });
      expect(value.findings[0]?.problem).toMatch(/^With --boot debug only: .*\/nothere/);
      expect((await check([...BUILTIN, "--strict"], folder)).exitCode).toBe(65);
    });

    test("where there is none, that is said", async () => {
      const { code, stderr } = await run(["check", ...BUILTIN]);
      expect(stderr).toContain("there is no meta/package.yaml");
      expect(code).toBe(66);
    });
  });

  test("of an image by name and by path, with the kernel that is in it", async () => {
    await sandbox.ok(["compose", "lost", sandbox.path("root"), "-c", "/lost", ...BUILTIN, "--no-check"]);
    const named = await check(["lost"]);
    expect(named).toMatchObject({ kind: "image", path: sandbox.image("lost"), exitCode: 65 });
    expect(named.findings.map(({ code }) => code)).toContain("missing-library");
    expect((await check([sandbox.image("lost")])).findings.map(({ code }) => code)).toContain("missing-library");
    const { code, stderr } = await run(["check", "lost", ...BUILTIN]);
    expect(stderr).toContain("--loader_image does not go with an image");
    expect(code).toBe(64);
  });

  test.each([
    ["nothere", "There is no image 'nothere'"],
    ["./nothere", "does not exist"],
    ["fine", "as a program, it is ./fine"],
  ])("of what is not there: %s", async (target, message) => {
    const { code, stderr } = await run(["check", target, ...BUILTIN]);
    expect(stderr).toContain(message);
    expect(code).toBe(66);
  });
});

describeUnless(lacking)("the check when composing", () => {
  const compose = (...flags: readonly string[]) =>
    run(["compose", `checked${flags.length}`, sandbox.path("root"), "-c", "/lost", ...BUILTIN, ...flags]);

  test("warns, with the code and what to do, and composes", async () => {
    const { code, stderr } = await compose();
    expect(stderr).toMatch(/^Warning: \/lost needs libanswer\.so\.1, .* \[missing-library\]/m);
    expect(code).toBe(0);
  });

  test("--strict fails and leaves no image", async () => {
    const { code, stderr } = await compose("--strict");
    expect(stderr).toMatch(/^Error: \d+ findings? of the check: /);
    expect(code).toBe(65);
    expect(sandbox.files("store/repository/checked1")).toEqual([]);
  });

  test("--no-check says nothing", async () => {
    const { code, stderr } = await compose("--no-check", "-q");
    expect([code, stderr]).toEqual([0, ""]);
  });

  test("with --json the findings are in the answer", async () => {
    const value = await sandbox.json<Checked>(["compose", "answer", sandbox.path("root"), "-c", "/lost", ...BUILTIN]);
    expect(value.findings.map(({ code }) => code)).toContain("missing-library");
  });
});
