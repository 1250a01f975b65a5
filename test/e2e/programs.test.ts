import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { addHostProgram, boot, compile, lacksGuests, REPORT, ROADS, told } from "../support/guest.ts";
import { describeUnless } from "../support/machine.ts";
import { Sandbox } from "../support/sandbox.ts";

const lacking = lacksGuests("gcc", "ldd");
const sandbox = new Sandbox();
// Where every test is skipped, nothing runs after them.
if (lacking !== undefined) sandbox.remove();
const folder = sandbox.path("root");

const SETS = `runtime: native
config_set:
  one:
    bootcmd: /bin/dynamic one
    env: {TEST_SET: one}
  two:
    bootcmd: /bin/static two "two words"
  env:
    bootcmd: /bin/dynamic
    env: {TEST_A: "two words", TEST_B: "", TEST_C: $TEST_A}
config_set_default: one
`;

beforeAll(async () => {
  if (lacking !== undefined) return;
  sandbox.write({
    "root/etc/text": "A line of a file.\n",
    "root/meta/package.yaml": "name: root\ntitle: x\nauthor: x\n",
  });
  sandbox.write({ "root/meta/run.yaml": SETS });
  for (const program of ["/bin/ls", "/bin/cat", "/bin/echo", "/usr/bin/env"]) addHostProgram(folder, program);
  compile(`${folder}/bin/dynamic`, REPORT);
  compile(`${folder}/bin/static`, REPORT, ["-static"]);
  await sandbox.ok(["package", "compose", "programs", "-l", "builtin"], { cwd: folder });
});

afterAll(() => sandbox.remove());

for (const [title, road] of ROADS)
  describeUnless(lacking)(`a guest ${title}`, () => {
    const run = (...args: readonly string[]) => boot(sandbox, ["programs", ...road, ...args]);
    const execute = (command: string) => run("-e", command);

    describe.concurrent("runs unmodified programs of this machine", () => {
      test("/bin/ls -l /", async () => {
        const { stdout, code } = await execute("/bin/ls -l /");
        const names = [...stdout.matchAll(/^[dl-][rwxt-]{9}.* (\S+)$/gm)].map(([, name]) => name);
        expect(names).toEqual(expect.arrayContaining(["bin", "dev", "etc", "lib64", "run", "tmp", "usr"]));
        expect(code).toBe(0);
      });

      test("/bin/cat", async () => {
        const { stdout, code } = await execute("/bin/cat /etc/text /run/two");
        expect(stdout).toContain('A line of a file.\n/bin/static two "two words"');
        expect(code).toBe(0);
      });

      test("/bin/echo", async () => {
        const { stdout } = await execute('/bin/echo one "two  words" \\"three\\"');
        expect(stdout).toContain('\none two  words "three"\n');
      });

      test("/usr/bin/env", async () => {
        const { stdout } = await run("-e", "/usr/bin/env", "--env", "TEST_A=b c", "--env", "TEST_B=d$e");
        expect(stdout.split("\n")).toEqual(expect.arrayContaining(["TEST_A=b c", "TEST_B=d$e"]));
      });
    });

    describe.concurrent("hands over arguments and environment whole", () => {
      test.each([
        ["/bin/dynamic", "dynamic"],
        ["/bin/static", "static"],
      ])("to %s", async (program) => {
        const { stdout, code } = await execute(`${program} "two words" "" "a;b & c!" "say \\"x\\"" C:\\\\x`);
        expect(told(stdout)).toEqual([
          "argument: [two words]",
          "argument: []",
          "argument: [a;b & c!]",
          'argument: [say "x"]',
          "argument: [C:\\x]",
          "done",
        ]);
        expect(code).toBe(0);
      });

      test("of the set that was composed", async () => {
        const { stdout } = await run();
        expect(told(stdout)).toEqual(["argument: [one]", "variable: [TEST_SET=one]", "done"]);
      });

      test("of several sets, one after the other", async () => {
        const { stdout } = await run("--boot", "two", "--boot", "one");
        const lines = told(stdout).filter((line) => !line.startsWith("variable"));
        expect(lines).toEqual(["argument: [two]", "argument: [two words]", "done", "argument: [one]", "done"]);
      });

      test("of meta/run.yaml, with blanks, empty, and one that refers to another", async () => {
        const { stdout } = await run("--boot", "env");
        expect(told(stdout).sort()).toEqual([
          "done",
          "variable: [TEST_A=two words]",
          "variable: [TEST_B=]",
          "variable: [TEST_C=two words]",
        ]);
      });

      test("--env goes before what meta/run.yaml sets, and has any text", async () => {
        const { stdout } = await run("--env", 'TEST_SET=it\'s $5 \\ é; "x"', "--env", "TEST_MORE=");
        expect(told(stdout).sort()).toEqual([
          "argument: [one]",
          "done",
          "variable: [TEST_MORE=]",
          'variable: [TEST_SET=it\'s $5 \\ é; "x"]',
        ]);
      });
    });

    describe.concurrent("that fails", () => {
      test("its program's exit status makes exit code 1, and is told", async () => {
        const { code, stdout, stderr } = await run("--env", "EXIT=3");
        expect(stdout).toContain("done\n");
        expect(stderr).toContain("Error: The program ended with exit status 3");
        expect(code).toBe(1);
        const json = await run("--env", "EXIT=3", "--json");
        expect(json.code).toBe(1);
        expect(JSON.parse(json.stdout)).toMatchObject({ outcome: "failed", guestStatus: 3 });
      });

      test("a missing program: exit code 1, and what to do about it", async () => {
        const { code, stderr } = await execute("/nope --flag");
        expect(code).toBe(1);
        expect(stderr).toContain("The boot command starts /nope, which is not in the image.");
        expect(stderr).toContain("capstan image ls");
      });

      test("a missing set: exit code 1, and what to do about it", async () => {
        const { code, stderr } = await run("--boot", "nope");
        expect(code).toBe(1);
        expect(stderr).toContain("The boot command runs the configuration set /run/nope, which the image lacks.");
        expect(stderr).toContain("--boot");
      });

      test("what the program says itself is no failure", async () => {
        const { code, stderr } = await execute('/bin/echo "Failed to do it. Aborted"');
        expect([code, stderr.includes("Warning: The image has no")]).toEqual([0, false]);
      });
    });
  });
