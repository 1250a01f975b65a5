import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { compile, lacksGuests, SMALL } from "../support/guest.ts";
import { describeUnless, lacksProgram, testUnless } from "../support/machine.ts";
import { bin, type Finished, Sandbox } from "../support/sandbox.ts";

const lacking = lacksGuests("gcc");
const sandbox = new Sandbox();
// Where every test is skipped, nothing runs after them.
if (lacking !== undefined) sandbox.remove();

/** Says each line that it reads in hexadecimal numbers, and that it has come to the end. */
const READ = `
#include <stdio.h>
#include <unistd.h>
int main(void)
{
    unsigned char bytes[256];
    ssize_t count;
    printf("reading\\n");
    fflush(stdout);
    while ((count = read(0, bytes, sizeof bytes)) > 0) {
        printf("got");
        for (ssize_t i = 0; i < count; i++)
            printf(" %02x", bytes[i]);
        printf("\\n");
        fflush(stdout);
    }
    printf("end\\n");
    return 0;
}
`;

/** Numbered lines, so that a missing one is seen. */
const CHATTY = `
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv)
{
    for (long line = 0; line < atol(argv[1]); line++)
        printf("line %06ld abcdefghijklmnopqrstuvwxyz 0123456789\\n", line);
    return 0;
}
`;

const LINES = 3000;
const numbered = Array.from(
  { length: LINES },
  (_, line) => `line ${String(line).padStart(6, "0")} abcdefghijklmnopqrstuvwxyz 0123456789`,
);

beforeAll(async () => {
  if (lacking !== undefined) return;
  compile(sandbox.path("root/read"), READ, ["-static"]);
  compile(sandbox.path("root/chatty"), CHATTY, ["-static"]);
  await sandbox.ok(["compose", "reader", "root", "-l", "builtin", "-c", "/read"]);
  await sandbox.ok(["compose", "chatty", "root", "-l", "builtin", "-c", `/chatty ${LINES}`]);
});

afterAll(() => sandbox.remove());

interface Running {
  readonly process: ChildProcess;
  readonly finished: Promise<Finished>;
  readonly shown: () => string;
}

/** A command that goes on, with its input open. */
function start(args: readonly string[]): Running {
  return begin(process.execPath, [bin, ...args]);
}

/** The same at a terminal. */
function startAtTerminal(args: readonly string[]): Running {
  const command = [process.execPath, bin, ...args].map((word) => `'${word}'`).join(" ");
  return begin("script", ["--quiet", "--return", "--command", command, "/dev/null"]);
}

function begin(program: string, args: readonly string[]): Running {
  const env = sandbox.environment({ TERM: "xterm" });
  const child = spawn(program, args, { cwd: sandbox.dir, env });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += chunk;
  });
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk;
  });
  child.stdin.on("error", () => {});
  const finished = new Promise<Finished>((resolve) => {
    child.on("close", (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  return { process: child, finished, shown: () => stdout.replaceAll("\r", "") };
}

async function until(what: () => boolean): Promise<void> {
  for (let waited = 0; !what(); waited += 10) {
    if (waited > 60_000) throw new Error("it does not come");
    await delay(10);
  }
}

/** The instance `reader`, whose program reads. */
async function startReader(name: string): Promise<Running> {
  const guest = start(["run", ...SMALL, name, "-i", "reader"]);
  await until(() => guest.shown().includes("reading\n"));
  return guest;
}

async function stop(guest: Running): Promise<Finished> {
  guest.process.kill("SIGINT");
  return await guest.finished;
}

const linesOf = (console: string) => console.replaceAll("\r", "").split("\n");

describeUnless(lacking)("the console of an instance", () => {
  test("all of it is shown and kept: nothing is lost, twice or in another order", async () => {
    const { stdout, code } = await sandbox.run(["run", ...SMALL, "chatty", "--persist"]);
    expect(code).toBe(0);
    expect(linesOf(stdout).filter((line) => line.startsWith("line "))).toEqual(numbered);
    expect(await sandbox.ok(["logs", "chatty"])).toBe(stdout);
    expect(linesOf(await sandbox.ok(["logs", "chatty", "-n", "2"]))).toEqual([...numbered.slice(-2), ""]);
    const { lines, dropped } = await sandbox.json<{ lines: { time: string; text: string }[]; dropped: number }>([
      "logs",
      "chatty",
    ]);
    expect(dropped).toBe(0);
    expect(lines.map(({ text }) => text).slice(-LINES)).toEqual(numbered);
    expect(lines.every(({ time }) => !Number.isNaN(Date.parse(time)))).toBe(true);
    const stamped = linesOf(await sandbox.ok(["logs", "-t", "chatty", "--tail", "1"]));
    expect(stamped[0]).toBe(`${lines.at(-1)?.time} ${numbered.at(-1)}`);
  });

  test("another start goes on with the log, and --since shows it alone", async () => {
    await sandbox.ok(["run", ...SMALL, "again", "-i", "chatty", "-e", "/chatty 1", "--persist"]);
    const between = new Date().toISOString();
    await sandbox.ok(["run", "again", "-e", "/chatty 2"]);
    const program = async (...flags: readonly string[]) =>
      linesOf(await sandbox.ok(["logs", "again", ...flags])).filter((line) => line.startsWith("line "));
    expect(await program()).toEqual([numbered[0], numbered[0], numbered[1]]);
    expect(await program("--since", between)).toEqual(numbered.slice(0, 2));
    expect(await program("--since", "1h")).toHaveLength(3);
    expect(await program("--since", "2100-01-01")).toEqual([]);
  });

  test("followed by several from the beginning to the end, an instance leaves nothing behind", async () => {
    const guest = await startReader("followed");
    const followers = [start(["logs", "-f", "followed"]), start(["attach", "followed", "--no-input"])];
    for (const follower of followers) await until(() => follower.shown().includes("reading\n"));
    guest.process.stdin?.end("hi\n");
    const { stdout, code } = await guest.finished;
    expect(code).toBe(0);
    expect(linesOf(stdout).slice(-4)).toEqual(["hi", "got 68 69 0a", "end", ""]);
    const [logs, attached] = await Promise.all(followers.map(({ finished }) => finished));
    expect(logs).toMatchObject({ code: 0, stdout });
    expect(attached).toMatchObject({ code: 0, stdout, stderr: "followed has ended\n" });
    expect(await sandbox.run(["logs", "followed"])).toMatchObject({ code: 66 });
  });

  test("input from several, through the one who started it", async () => {
    const guest = await startReader("shared");
    const [one, two] = [start(["attach", "shared"]), start(["attach", "shared"])];
    one.process.stdin?.write("one\n");
    await until(() => guest.shown().includes("got 6f 6e 65 0a\n"));
    two.process.stdin?.write("two\n");
    await until(() => one.shown().includes("got 74 77 6f 0a\n"));
    two.process.stdin?.end();
    expect(await guest.finished).toMatchObject({ code: 0 });
    for (const { finished } of [one, two]) expect(await finished).toMatchObject({ code: 0 });
    expect(linesOf((await one.finished).stdout).slice(-2)).toEqual(["end", ""]);
  });

  testUnless(lacksProgram("script"))("on a terminal, the keys detach, and the guest goes on", async () => {
    const guest = await startReader("kept");
    const terminal = startAtTerminal(["attach", "kept", "--detach-keys", "ctrl-a,x"]);
    await until(() => terminal.shown().includes("reading"));
    terminal.process.stdin?.write("t\r");
    await until(() => terminal.shown().includes("got 74 0a"));
    terminal.process.stdin?.write("\x01x");
    const { code, stdout } = await terminal.finished;
    expect(code).toBe(0);
    expect(stdout).toContain("Attached to kept; Ctrl-A x leaves it running");
    expect(stdout).toContain("kept goes on running");
    expect(guest.process.exitCode).toBeNull();
    expect((await stop(guest)).code).toBe(130);
  });

  test("the end of the input ends a program that reads to it, with or without a last line", async () => {
    for (const [input, last] of [
      ["", "reading"],
      ["hi\n", "got 68 69 0a"],
      ["hi", "got 68 69"],
    ] as const) {
      const { stdout, code } = await sandbox.run(["run", ...SMALL, "reader"], { input });
      expect(code).toBe(0);
      expect(linesOf(stdout).slice(-3).at(0)).toContain(last);
      expect(linesOf(stdout).slice(-2)).toEqual(["end", ""]);
    }
  });

  test("an instance that is not running cannot be attached to, and one that is not there has no log", async () => {
    await sandbox.ok(["run", ...SMALL, "over", "-i", "chatty", "-e", "/chatty 1", "--persist"]);
    expect(await sandbox.run(["attach", "over"])).toMatchObject({ code: 73, stdout: "" });
    expect(await sandbox.run(["attach", "none"])).toMatchObject({ code: 66, stdout: "" });
    expect(await sandbox.run(["logs", "-f", "over"])).toMatchObject({ code: 0 });
    for (const flags of [
      ["--since", "soon"],
      ["--tail", "-1"],
      ["-f", "--json"],
    ]) {
      expect(await sandbox.run(["logs", "over", ...flags])).toMatchObject({ code: 64 });
    }
    expect(await sandbox.run(["attach", "over", "--detach-keys", "f1"])).toMatchObject({ code: 64 });
  });

  test("a log that is taken away is no reason for the guest to end", async () => {
    const guest = await startReader("robbed");
    const log = sandbox.path("store/instances/qemu/robbed/console.log");
    // The log is a moment behind the terminal.
    while (!readFileSync(log, "utf8").includes("reading")) await delay(20);
    await sandbox.shell(`rm -f '${log}'*`);
    guest.process.stdin?.end("hi\n");
    expect(await guest.finished).toMatchObject({ code: 0, stdout: expect.stringContaining("end\r\n") });
  });
});
