import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { lacksProgram, testUnless } from "../support/machine.ts";
import { ESCAPE, Sandbox, STACK } from "../support/sandbox.ts";
import { slowReads } from "../support/slow-reads.ts";

const sandbox = new Sandbox();

beforeAll(async () => {
  sandbox.write({ "root/hello": "hello\n", "root/large": new Uint8Array(3_000_000).fill(65) });
  await sandbox.ok(["compose", "ready", "root", "-l", "builtin", "-c", "/hello"]);
});

afterAll(() => sandbox.remove());

describe("what goes where", () => {
  test("what is done is told on stderr, in detail with -v, not at all with -q", async () => {
    const args = ["compose", "x", "root", "-l", "builtin", "-c", "/hello", "--no-check"];
    const usual = await sandbox.run(args);
    expect(usual).toMatchObject({ code: 0, stdout: "", stderr: "Composed x: 2 files, 4.9 MiB\n" });
    const verbose = await sandbox.run([...args, "-v"]);
    expect(verbose.stderr).toContain("  Loader builtin: ");
    expect(verbose.stderr).toContain("  Boot command: /hello\n");
    expect(await sandbox.run([...args, "-q"])).toMatchObject({ code: 0, stdout: "", stderr: "" });
    expect((await sandbox.run([...args, "-q", "-v"])).stderr).toBe("");
  });

  test("warnings and errors are told with -q, too", async () => {
    const warned = await sandbox.run(["compose", "x", "root", "-l", "builtin", "-q"]);
    expect(warned).toMatchObject({ code: 0, stdout: "" });
    expect(warned.stderr).toMatch(/^Warning: The image has no command to run .*--command_line.*\n$/);
    expect((await sandbox.run(["rmi", "nope", "-q"])).stderr).toMatch(/^Error: .*\n.*\n$/);
  });

  test("the bytes of a file go to stdout as they are", async () => {
    const bytes = Uint8Array.from({ length: 70_000 }, (_, index) => (index * 7) % 256);
    sandbox.write({ "binary/file": bytes });
    await sandbox.ok(["compose", "binary", "binary", "-l", "builtin", "-c", "/x"]);
    const { code } = await sandbox.shell("capstan image cat binary /file > out && cmp out binary/file");
    expect(code).toBe(0);
  });
});

describe("without a terminal", () => {
  test.each<[string, readonly string[]]>([
    ["help", ["help", "run"]],
    ["an answer", ["image", "tree", "ready"]],
    ["an error", ["image", "ls", "nope"]],
    ["a warning", ["compose", "y", "root", "-l", "builtin"]],
    ["details", ["compose", "y", "root", "-l", "builtin", "-c", "/x", "-v"]],
  ])("%s is plain text, whatever TERM says", async (_, args) => {
    const { stdout, stderr } = await sandbox.run(args, { env: { TERM: "xterm-256color" } });
    expect(stdout + stderr).not.toContain(ESCAPE);
    expect(stdout + stderr).not.toContain("\r");
  });
});

describe("on a terminal", () => {
  const lacksScript = process.platform === "linux" ? lacksProgram("script") : "needs the script of util-linux";
  const onTerminal = testUnless(lacksScript);

  onTerminal("errors are red, warnings yellow", async () => {
    expect((await sandbox.terminal(["image", "ls", "nope"])).stdout).toContain(`${ESCAPE}[31mError:${ESCAPE}[0m There`);
    const warned = await sandbox.terminal(["compose", "y", "root", "-l", "builtin"]);
    expect(warned.stdout).toContain(`${ESCAPE}[33mWarning:${ESCAPE}[0m`);
  });

  onTerminal("the exit code is that of a pipe", async () => {
    expect((await sandbox.terminal(["image", "ls", "nope"])).code).toBe(66);
  });

  onTerminal("NO_COLOR and TERM=dumb take the colours away, an empty NO_COLOR does not", async () => {
    const args = ["image", "ls", "nope"];
    expect((await sandbox.terminal(args, { env: { NO_COLOR: "1" } })).stdout).not.toContain(ESCAPE);
    expect((await sandbox.terminal(args, { env: { TERM: "dumb" } })).stdout).not.toContain(ESCAPE);
    expect((await sandbox.terminal(args, { env: { NO_COLOR: "" } })).stdout).toContain(ESCAPE);
  });

  onTerminal("long work shows a bar, and takes it away", async () => {
    sandbox.write({ "slow/large": new Uint8Array(24 * 1024 * 1024) });
    const args = ["compose", "slow", "slow", "-l", "builtin", "-c", "/x", "--no-check"];
    const env = slowReads(sandbox);
    const { stdout, code } = await sandbox.terminal(args, { env });
    expect(code).toBe(0);
    expect(stdout).toMatch(/\r[^\r\n]*\[#*-+\] [^\r\n]* of [^\r\n]*/);
    const last = stdout.slice(stdout.lastIndexOf(`${ESCAPE}[K`));
    expect(last).toMatch(/Composed slow: 1 file,/);
    expect((await sandbox.terminal([...args, "-q"], { env })).stdout).toBe("");
  });
});

describe("a reader that goes away", () => {
  test.each([
    ["capstan image cat ready /large", "head -c1", "A"],
    ["capstan help", "head -n1", "Capstan turns an application into a bootable OSv unikernel image, and runs it.\n"],
    ["capstan image ls ready", "true", ""],
  ])("$ %s | %s", async (writer, reader, output) => {
    const { stdout, stderr, code } = await sandbox.shell(`${writer} | ${reader}; exit \${PIPESTATUS[0]}`);
    expect(stderr).toBe("");
    expect(stdout).toBe(output);
    expect(code).toBe(0);
  });

  test("of stderr, ends nothing with a stack either", async () => {
    const { stderr, code } = await sandbox.shell("{ capstan image ls nope; echo $? >&3; } 3>&1 2>&1 >&3 | true", {});
    expect(stderr).not.toMatch(STACK);
    expect(code).toBe(0);
  });
});

test("a reader that does not read does not keep the program from being ended", async () => {
  // Without being ended, it would see its reader go away after four seconds, and end with 0.
  const reader = "exec sleep 4 > /dev/null 2>&1";
  const script = `capstan image cat ready /large > >(${reader}) & sleep 1; kill -TERM $!; wait $!; echo $?`;
  expect((await sandbox.shell(script)).stdout).toBe("143\n");
});

describe("names and texts from others never reach the terminal raw", () => {
  const evil = "evil\u001b[31m\u0007\u009bname";
  const told = "evil\\x1b[31m\\x07\\x9bname";

  beforeAll(async () => {
    // YAML's own escapes, since its text must be printable.
    const yaml = (text: string) =>
      `"${text.replaceAll("\u001b", "\\e").replaceAll("\u0007", "\\a").replaceAll("\u009b", "\\x9B")}"`;
    sandbox.write({
      [`evil/${evil}/file`]: "x",
      "evil/two\nlines\u202e": "x",
      "evil/README.md": `${evil}\n`,
      "evil/meta/package.yaml": `name: evil\ntitle: ${yaml(evil)}\nauthor: ${yaml(evil)}\nversion: ${yaml(evil)}\nplatform: ${yaml(evil)}\n`,
      "evil/meta/run.yaml": `runtime: native\nconfig_set:\n  default:\n    bootcmd: ${yaml(`/x ${evil.replace("\u009b", "")}`)}\n`,
    });
    await sandbox.ok(["package", "import", "evil"]);
    await sandbox.ok(["package", "compose", "evil", "-l", "builtin"], { cwd: sandbox.path("evil") });
    sandbox.write({
      [`over/${evil}/file`]: "y",
      "over/meta/package.yaml": "name: over\ntitle: x\nauthor: x\nrequire: [evil]\n",
    });
  });

  test.each<[string, readonly string[], string]>([
    ["image ls", ["image", "ls", "evil"], told],
    ["image ls -R", ["image", "ls", "-R", "evil"], told],
    ["image tree", ["image", "tree", "evil"], told],
    ["image du", ["image", "du", "evil"], told],
    ["image diff", ["image", "diff", "ready", "evil"], told],
    ["image inspect", ["image", "inspect", "evil"], "runscript"],
    ["images", ["images"], told],
    ["package list", ["package", "list"], told],
    ["package describe", ["package", "describe", "evil", "-c"], told],
    ["an error", ["image", "cat", "evil", `/${evil}/nope`], told],
    ["an error of the command line", ["image", "cat", "evil", "/x", evil], told],
    ["an unknown command", [evil], told],
    ["an unknown flag", ["images", `--${evil}`], told],
  ])("%s", async (_, args, expected) => {
    const { stdout, stderr } = await sandbox.run(args);
    expect(stdout + stderr).toContain(expected);
    expect(stdout + stderr).not.toContain(ESCAPE);
    for (const control of ["\u0007", "\u009b"]) expect(stdout + stderr).not.toContain(control);
  });

  test.each([[["ls", "evil"]], [["tree", "evil"]], [["du", "evil"]], [["diff", "ready", "evil"]]])(
    "a name with the end of a line in it stays on one line: image %j",
    async (args) => {
      const { stdout } = await sandbox.run(["image", ...args]);
      expect(stdout.split("\n").filter((line) => line.includes("two\\x0alines\\u202e"))).toHaveLength(1);
    },
  );

  test("details of what is replaced", async () => {
    const args = ["package", "compose", "over", "-l", "builtin", "-v"];
    const { stderr, code } = await sandbox.run(args, { cwd: sandbox.path("over") });
    expect(code).toBe(0);
    expect(stderr).toContain(`/${told}/file`);
    expect(stderr).not.toContain(ESCAPE);
  });

  test("but a JSON answer and a file's content have them", async () => {
    const rows = await sandbox.json<{ path: string }[]>(["image", "ls", "evil"]);
    expect(rows.map(({ path }) => path)).toContain(evil);
    expect(await sandbox.ok(["image", "cat", "evil", `/${evil}/file`])).toBe("x");
    expect(await sandbox.ok(["image", "cat", "evil", "/README.md"])).toBe(`${evil}\n`);
  });
});
