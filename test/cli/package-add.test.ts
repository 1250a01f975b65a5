import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { compile } from "../support/guest.ts";
import { describeUnless, lacksProgram } from "../support/machine.ts";
import { Sandbox } from "../support/sandbox.ts";

const lacking =
  process.arch === "x64" && process.platform === "linux" ? lacksProgram("gcc") : "the built-in kernel is for x86-64";
const sandbox = new Sandbox();
// Where every test is skipped, nothing runs after them.
if (lacking !== undefined) sandbox.remove();
const BUILTIN = ["-l", "builtin"] as const;
const home = sandbox.path("home");

const answer = (value: number) => `int answer(void) { return ${value}; }`;
const ASKS = "int answer(void);\nint main(void) { return answer(); }";

interface Added {
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
  readonly kept: readonly string[];
  readonly unchanged: number;
  readonly programs: readonly { readonly name: string; readonly command: string; readonly launch: string }[];
  readonly runConfig: string | null;
  readonly dryRun: boolean;
}

const NOTHING = { added: [], changed: [], removed: [], kept: [] };

let cwd = "";
let number = 0;

beforeAll(() => {
  if (lacking !== undefined) return;
  library(42);
  compile(`${home}/bin/asks`, ASKS, ["-Wl,--no-as-needed", `-L${home}/lib`, "-lanswer"]);
  compile(`${home}/bin/plain`, "int main(void) { return 0; }");
  sandbox.write({ "home/s.cat": "#!/bin/cat\na line\n", "home/data/file": "data\n" });
});

beforeEach(() => {
  if (lacking !== undefined) return;
  const manifest = "name: app\ntitle: x\nauthor: x\n";
  cwd = sandbox.write({ "meta/package.yaml": manifest }, sandbox.path(`a project ${++number}`));
});

afterAll(() => sandbox.remove());

function library(value: number): void {
  const path = `${home}/lib/libanswer.so`;
  compile(path, answer(value), ["-shared", "-fPIC", "-Wl,-soname,libanswer.so"]);
}

const run = (...args: readonly string[]) => sandbox.run(["package", ...args, ...BUILTIN], { cwd });
const json = async (...args: readonly string[]) => sandbox.json<Added>(["package", ...args, ...BUILTIN], { cwd });
const addAsks = (...flags: readonly string[]) =>
  json("add", `${home}/bin/asks`, "--library-path", `${home}/lib`, ...flags);
const inProject = (path: string) => join(cwd, path);
const read = (path: string) => readFileSync(inProject(path), "utf8");
const records = () =>
  read("meta/programs.files")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, string>);

describeUnless(lacking)("package add", () => {
  test("copies a program with what it loads, notes from where and why, and writes how it starts", async () => {
    const value = await addAsks();
    expect(value.added).toEqual([
      "/asks",
      "/lib64/ld-linux-x86-64.so.2",
      "/meta/run.yaml",
      "/usr/lib/libanswer.so",
      "/usr/lib/libc.so.6",
    ]);
    expect(value.programs).toMatchObject([{ name: "asks", command: "/asks", launch: "linux" }]);
    expect(statSync(inProject("asks")).mode & 0o111).toBe(0o111);
    expect(records().find(({ path }) => path === "/usr/lib/libanswer.so")).toMatchObject({
      from: `${home}/lib/libanswer.so`,
      why: "library, for /asks",
    });
    expect(read("meta/programs.yaml")).toContain(`"${home}/bin/asks":`);
    expect(await sandbox.json(["check", ...BUILTIN], { cwd })).toMatchObject({ findings: [] });
  });

  test("twice is the same as once", async () => {
    await addAsks();
    const before = records();
    expect(await addAsks()).toMatchObject({ ...NOTHING, unchanged: 5 });
    expect(records()).toEqual(before);
  });

  test("--dry-run writes nothing", async () => {
    const before = sandbox.files("");
    const value = await addAsks("--dry-run");
    expect(value).toMatchObject({ dryRun: true, programs: [{ name: "asks" }] });
    expect(value.added).toHaveLength(5);
    expect(sandbox.files("")).toEqual(before);
  });

  test("two programs share their libraries, and each has its set", async () => {
    await addAsks();
    const value = await json("add", `${home}/bin/plain`);
    expect(value).toMatchObject({ added: ["/plain"], changed: ["/meta/run.yaml"] });
    expect(records().find(({ path }) => path === "/usr/lib/libc.so.6")?.why).toBe("library, for /asks, /plain");
    expect(read("meta/run.yaml")).toMatch(/"asks":\n.*"\/asks"\n.*"plain":\n.*"\/plain"\n\nconfig_set_default: "asks"/);
  });

  test("again, a program keeps its place: the first one stays what is started", async () => {
    await addAsks();
    await json("add", `${home}/bin/plain`);
    await addAsks();
    expect(read("meta/run.yaml")).toMatch(/"asks":.*"plain":.*config_set_default: "asks"/s);
    expect(await json("add", `${home}/bin/plain`, `${home}/bin/plain`)).toMatchObject({ ...NOTHING });
  });

  test("again, the new options count; which of the old ones are dropped is told", async () => {
    const plain = `${home}/bin/plain`;
    await json("add", plain, "--with", `${home}/data:/data`, "--with", `${home}/s.cat:/s`, "--launch", "linux");
    const again = await run("add", plain, "--with", `${home}/s.cat:/s`, "--launch", "native");
    expect(again.stderr).toContain(`'${plain}' was added with --with ${home}/data:/data before, and now is not.`);
    expect(existsSync(inProject("data"))).toBe(false);
    expect((await run("add", plain)).stderr).toContain(`with --launch native --with ${home}/s.cat:/s before`);
    expect((await run("add", plain)).stderr).not.toContain("before");
  });

  test("of a program that starts in a folder, how it is composed to start there", async () => {
    const script = sandbox.write({ "reads.cat": "#!/bin/cat\n" }, home);
    const { stderr } = await run("add", `${script}/reads.cat`);
    const [, line = ""] = /compose NAME --run '(.*)'/.exec(stderr) ?? [];
    expect(stderr).toContain("reads expects to start in /app, and meta/run.yaml starts it in /");
    expect(line).toMatch(/^--cwd=\/app \S*\/cat \/app\/reads\.cat$/);
    await sandbox.ok(["package", "compose", "place", "--run", line, ...BUILTIN], { cwd });
    expect(await sandbox.ok(["image", "inspect", "place"])).toContain(line);
    expect((await run("add", `${home}/bin/plain`, "--dry-run")).stderr).not.toContain("plain expects to start");
  });

  test("two programs of one name: each has a set; that they have one place is told", async () => {
    sandbox.write({ "home/other/keep": "" });
    compile(`${home}/other/plain`, "int main(void) { return 1; }");
    const { code, stderr } = await run("add", `${home}/bin/plain`, `${home}/other/plain`);
    expect(stderr).toContain("Two programs bring /plain");
    expect(code).toBe(0);
    expect(read("meta/run.yaml")).toContain('"plain-2":');
  });

  test("what is in the way stays, unless --force", async () => {
    writeFileSync(inProject("asks"), "mine");
    const refused = await run("add", `${home}/bin/asks`, "--library-path", `${home}/lib`);
    expect(refused.stderr).toContain("/asks is in the project already");
    expect(refused.stderr).toContain("--force");
    expect(refused.code).toBe(73);
    expect(sandbox.files(cwd.slice(sandbox.dir.length + 1))).toEqual(["asks", "meta/", "meta/package.yaml"]);
    expect((await addAsks("--force")).changed).toEqual(["/asks"]);
  });

  test("a meta/run.yaml of the user stays as it is", async () => {
    const text = "runtime: native\nconfig_set:\n  mine:\n    bootcmd: /mine\n";
    writeFileSync(inProject("meta/run.yaml"), text);
    expect((await addAsks()).runConfig).toBeNull();
    expect(read("meta/run.yaml")).toBe(text);
    const { stdout } = await run("refresh");
    expect(stdout).toContain("asks: /asks (linux)\nmeta/run.yaml is left as it is");
  });

  test("a program of the project itself is neither copied nor taken away", async () => {
    sandbox.write({ "bin/keep": "" }, cwd);
    compile(inProject("bin/server"), ASKS, [
      "-Wl,--no-as-needed",
      `-L${home}/lib`,
      "-lanswer",
      "-Wl,-rpath,$ORIGIN/../lib",
    ]);
    execFileSync("mkdir", ["-p", inProject("lib")]);
    copyFileSync(`${home}/lib/libanswer.so`, inProject("lib/libanswer.so"));
    const bytes = readFileSync(inProject("bin/server"));
    const value = await json("add", "./bin/server");
    expect(value.added).toEqual(["/lib64/ld-linux-x86-64.so.2", "/meta/run.yaml", "/usr/lib/libc.so.6"]);
    expect(value.programs).toMatchObject([{ command: "/bin/server" }]);
    expect(read("meta/programs.yaml")).toContain('  "bin/server": {}\n');
    expect(existsSync(inProject("server"))).toBe(false);
    writeFileSync(inProject("meta/programs.yaml"), "programs: {}\n");
    expect((await json("refresh")).removed).toContain("/usr/lib/libc.so.6");
    expect(readFileSync(inProject("bin/server"))).toEqual(bytes);
    expect(existsSync(inProject("lib/libanswer.so"))).toBe(true);
  });

  test("a script comes with its interpreter, --with what it opens", async () => {
    const value = await json("add", `${home}/s.cat`, "--with", `${home}/data:/data`);
    expect(value.added).toEqual(expect.arrayContaining(["/app/s.cat", "/data/file"]));
    expect(value.added.some((path) => path.endsWith("/bin/cat"))).toBe(true);
    expect(read("meta/run.yaml")).toMatch(/bootcmd: "\S*\/cat \/app\/s\.cat"/);
  });

  test.each([
    ["outside a project", ["add", "/bin/cat"], 66, "there is no meta/package.yaml"],
    ["without a program", ["add"], 64, "needs <program>"],
    ["of what is not there", ["add", "/nothere"], 66, "'/nothere' is not there"],
    ["of what is no program", ["add", `${home}/data/file`], 65, "neither a program nor a script"],
    ["refresh where nothing was added", ["refresh"], 66, "Nothing has been added"],
  ] as const)("%s", async (title, args, code, message) => {
    const result = await sandbox.run(["package", ...args, ...BUILTIN], title.startsWith("outside") ? {} : { cwd });
    expect(result.stderr).toContain(message);
    expect(result.code).toBe(code);
  });
});

describeUnless(lacking)("package refresh", () => {
  test("changes nothing where nothing has changed", async () => {
    await addAsks();
    expect(await json("refresh")).toMatchObject({ ...NOTHING, unchanged: 5 });
  });

  describe("after a library has changed", () => {
    beforeEach(() => addAsks());
    afterAll(() => library(42));

    test("it is copied anew, and that alone", async () => {
      library(43);
      const dry = await run("refresh", "--dry-run");
      expect(dry.stdout).toContain("~ /usr/lib/libanswer.so\n0 added, 1 changed, 0 removed, 4 unchanged\n");
      expect(await json("refresh")).toMatchObject({ ...NOTHING, changed: ["/usr/lib/libanswer.so"], unchanged: 4 });
      expect(readFileSync(inProject("usr/lib/libanswer.so"))).toEqual(readFileSync(`${home}/lib/libanswer.so`));
    });

    test("one that was edited in the project stays, unless --force", async () => {
      writeFileSync(inProject("usr/lib/libanswer.so"), "edited");
      library(44);
      const kept = await run("refresh");
      expect(kept.stdout).toContain("! /usr/lib/libanswer.so (edited here: left as it is; --force replaces it)");
      expect(read("usr/lib/libanswer.so")).toBe("edited");
      expect((await json("refresh", "--force")).changed).toEqual(["/usr/lib/libanswer.so"]);
    });
  });

  test("what a program no longer needs is removed, with the folders that it leaves empty", async () => {
    await json("add", `${home}/bin/plain`, "--with", `${home}/data:/deep/er/data`);
    expect(existsSync(inProject("deep/er/data/file"))).toBe(true);
    await json("add", `${home}/bin/plain`);
    expect(existsSync(inProject("deep"))).toBe(false);
  });

  test("a file that somebody removed comes back", async () => {
    await addAsks();
    rmSync(inProject("asks"));
    expect((await json("refresh")).added).toEqual(["/asks"]);
  });

  test("a program that is gone is named, and the project stays as it is", async () => {
    copyFileSync(`${home}/bin/plain`, `${home}/bin/gone`);
    await json("add", `${home}/bin/gone`);
    rmSync(`${home}/bin/gone`);
    const { code, stderr } = await run("refresh");
    expect(stderr).toContain(`'${home}/bin/gone' is not there`);
    expect(stderr).toContain("meta/programs.yaml");
    expect(code).toBe(66);
    expect(existsSync(inProject("gone"))).toBe(true);
  });

  test("a boot command that nobody edited follows the program; an edited one stays", async () => {
    await json("add", `${home}/s.cat`);
    const tac = read("meta/programs.yaml").replace("{}", "\n    interpreter: /usr/bin/tac");
    writeFileSync(inProject("meta/programs.yaml"), tac);
    expect((await json("refresh")).changed).toEqual(["/meta/run.yaml"]);
    expect(read("meta/run.yaml")).toContain("/tac /app/s.cat");
    writeFileSync(inProject("meta/run.yaml"), read("meta/run.yaml").replace("/app/s.cat", "/app/s.cat --mine"));
    writeFileSync(inProject("meta/programs.yaml"), tac.replace("tac", "cat"));
    expect(await json("refresh")).toMatchObject({ kept: [], runConfig: null });
    expect(read("meta/run.yaml")).toContain("--mine");
  });

  test("a folder of the project that became a link leads nowhere else", async () => {
    await addAsks();
    rmSync(inProject("usr"), { recursive: true });
    symlinkSync(home, inProject("usr"));
    const { code, stderr } = await run("refresh");
    expect(stderr).toContain("it is not a folder");
    expect(code).toBe(73);
    expect(existsSync(`${home}/lib/libc.so.6`)).toBe(false);
  });

  test("a damaged list of files names its line", async () => {
    await addAsks();
    writeFileSync(inProject("meta/programs.files"), '{"path":"/../x","digest":"0"}\n');
    const { code, stderr } = await run("refresh");
    expect(stderr).toContain("meta/programs.files:1:1");
    expect(code).toBe(65);
  });
});
