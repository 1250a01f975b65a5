import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, describe, expect } from "vitest";
import { lacksGuests } from "../support/guest.ts";
import { testUnless } from "../support/machine.ts";
import { repository, Sandbox, STACK } from "../support/sandbox.ts";

const { CAPSTAN_TEST_LOADER: loader, CAPSTAN_TEST_KERNEL: kernel } = process.env;
const sandbox = new Sandbox();
afterAll(() => sandbox.remove());

interface Example {
  readonly name: string;
  /** "any" runs on the built-in kernel too, "osv-head" only on an OSv newer than 0.57.0. */
  readonly kernel: "any" | "osv" | "osv-head";
  readonly programs: readonly string[];
  /** The lines of each block, and what the last one prints. */
  readonly scripts: readonly string[];
  readonly shown: string;
}

const page = readFileSync(join(repository, "docs", "applications.md"), "utf8");
const examples = [
  ...page.matchAll(/^<!-- example: (\S+); kernel: (\S+); programs: (.*?) -->\n(.*?)(?=^### |^## )/gms),
].map(([, name = "", kernel, programs = "", text = ""]): Example => {
  const blocks = [...text.matchAll(/^```(sh|text)\n(.*?)^```$/gms)];
  const of = (kind: string) => blocks.filter(([, found]) => found === kind).map(([, , body = ""]) => body);
  return {
    ...{ name, kernel: kernel as Example["kernel"], programs: programs.split(" ") },
    ...{ scripts: of("sh"), shown: of("text").at(-1) ?? "" },
  };
});

// What kernels up to v0.57.0 say of programs that newer ones start.
const isOld =
  kernel !== undefined && readFileSync(kernel, "latin1").includes("Statically linked executables are not supported!");

describe("the examples of docs/applications.md", () => {
  for (const example of examples) {
    testUnless(lacks(example))(
      `${example.name}: works as it is printed`,
      async () => {
        const { scripts, shown } = example;
        expect(shown).not.toBe("");
        const cwd = sandbox.write({ [`${example.name}/.keep`]: "" }, sandbox.dir).concat(`/${example.name}`);
        const said = scripts.length === 1 ? await runToEnd(scripts[0] ?? "", cwd) : await serve(scripts, cwd);
        expect(said).toContain(shown);
      },
      120_000,
    );
  }
});

function lacks(example: Example): string | undefined {
  const hasOsv = loader !== undefined && kernel !== undefined;
  if (example.kernel !== "any" && !hasOsv) return "set CAPSTAN_TEST_LOADER and CAPSTAN_TEST_KERNEL to an OSv";
  if (example.kernel === "osv-head" && isOld) return "needs an OSv newer than 0.57.0";
  return lacksGuests(...example.programs) ?? (example.programs.includes("python3") ? lacksPython() : undefined);
}

/** A `python3` that is a script of a version manager may hide one that cannot be found by looking. */
function lacksPython(): string | undefined {
  return existsSync("/usr/bin/python3") ? undefined : "needs /usr/bin/python3";
}

async function runToEnd(script: string, cwd: string): Promise<string> {
  const { code, stdout, stderr } = await sandbox.shell(`set -e\n${withLoader(script)}`, { cwd });
  expect(stderr).not.toMatch(STACK);
  expect(code, stderr).toBe(0);
  return stdout.replaceAll("\r", "");
}

/** Starts the server, and asks it until it answers; the ports of the page may be taken. */
async function serve([server = "", client = ""]: readonly string[], cwd: string): Promise<string> {
  const port = await freePort();
  const script = withLoader(server).replace(/-f \d+:/, `-f ${port}:`);
  const asking = client.replace(/(127\.0\.0\.1:|-p )\d+/g, `$1${port}`);
  let guest: ChildProcess | undefined;
  const ended = sandbox.shell(`set -e\n${script}`, {
    cwd,
    onStart: (child) => {
      guest = child;
    },
  });
  let last = "";
  for (let time = 0; time < 60 && guest?.exitCode === null; time++) {
    const { stdout, code } = await sandbox.shell(`set -e\n${asking}`, { cwd });
    last = stdout;
    if (code === 0 && stdout !== "") break;
    await setTimeout(500);
  }
  spawn("pkill", ["-INT", "-f", `hostfwd=tcp::?[0-9.]*:?${port}-`]);
  guest?.kill("SIGINT");
  const { stdout, stderr } = await ended;
  expect(stderr).not.toMatch(STACK);
  return last === "" ? `${stdout}${stderr}` : last;
}

function withLoader(script: string): string {
  return script.replace(/^capstan run /gm, `capstan run -l '${loader ?? "builtin"}' `);
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
