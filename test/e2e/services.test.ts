import type { ChildProcess } from "node:child_process";
import { cpSync, existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { compile, lacksGuests, REPORT, SLEEP } from "../support/guest.ts";
import { describeUnless } from "../support/machine.ts";
import { repository, Sandbox } from "../support/sandbox.ts";

const lacking = lacksGuests("gcc");
const sandbox = new Sandbox();
if (lacking !== undefined) sandbox.remove();

interface Listed {
  readonly name: string;
  readonly status: string;
  readonly pid?: number;
  readonly ports: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

const instances = async (...args: readonly string[]) =>
  JSON.parse(await sandbox.ok(["instances", "--json", ...args])) as Listed[];
const changes = async (args: readonly string[], cwd: string) =>
  (JSON.parse(await sandbox.ok(["up", "-d", "--json", ...args], { cwd })) as { name: string; change: string }[]).map(
    ({ name, change }) => `${name} ${change}`,
  );

let count = 0;
/** A folder with a services file; its name is the project's. */
function services(lines: string): string {
  const folder = sandbox.path(`project${++count}`);
  sandbox.write({ "capstan.yaml": lines }, folder);
  return folder;
}

const SMALL = "mem_limit: 64M, cpus: 1";

beforeAll(async () => {
  if (lacking !== undefined) return;
  compile(sandbox.path("root/report"), REPORT, ["-static"]);
  compile(sandbox.path("root/sleep"), SLEEP, ["-static"]);
  await sandbox.ok(["compose", "sleep", "root", "-l", "builtin", "-c", "/sleep"]);
  await sandbox.ok(["compose", "report", "root", "-l", "builtin", "-c", "/report a"]);
});

afterAll(async () => {
  if (lacking !== undefined) return;
  for (const { name } of await instances()) await sandbox.run(["delete", "-f", name]);
  sandbox.remove();
});

describeUnless(lacking)("services of a file", () => {
  test("are brought up, left alone when nothing has changed, made anew when something has, and taken down", async () => {
    const file = (memory: string) => `services:
  db: { image: sleep, mem_limit: ${memory}, cpus: 1 }
  web: { image: sleep, ${SMALL}, ports: ["8000"], depends_on: [db] }
`;
    const cwd = services(file("64M"));
    await sandbox.ok(["run", "-d", "--name", "mine", "-m", "64M", "sleep"]);
    expect(await changes([], cwd)).toEqual(["project1-db-1 created", "project1-web-1 created"]);
    const before = await instances("-f", `${cwd}/capstan.yaml`);
    expect(before.map(({ name, status }) => [name, status])).toEqual([
      ["project1-db-1", "running"],
      ["project1-web-1", "running"],
    ]);
    expect(before[1]?.ports[0]).toMatch(/^[1-9]\d+:8000$/);

    expect(await changes([], cwd)).toEqual(["project1-db-1 unchanged", "project1-web-1 unchanged"]);
    sandbox.write({ "capstan.yaml": file("96M") }, cwd);
    expect(await changes([], cwd)).toEqual(["project1-db-1 recreated", "project1-web-1 unchanged"]);
    const after = await instances("-f", `${cwd}/capstan.yaml`);
    expect(after[0]?.pid).not.toBe(before[0]?.pid);
    expect(after[1]?.pid).toBe(before[1]?.pid);

    await sandbox.ok(["stop", "project1-db-1"]);
    expect(await changes([], cwd)).toEqual(["project1-db-1 started", "project1-web-1 unchanged"]);

    expect(JSON.parse(await sandbox.ok(["down", "--json"], { cwd })).sort()).toEqual([
      "project1-db-1",
      "project1-web-1",
    ]);
    expect((await instances()).map(({ name, status }) => [name, status])).toEqual([["mine", "running"]]);
    await sandbox.ok(["delete", "-f", "mine"]);
    expect(
      existsSync(sandbox.path("store/instances/qemu")) ? readdirSync(sandbox.path("store/instances/qemu")) : [],
    ).toEqual([]);
  }, 120_000);

  test("are scaled up and down", async () => {
    const cwd = services(`services:\n  web: { image: sleep, ${SMALL} }\n`);
    expect(await changes(["--scale", "web=2"], cwd)).toEqual(["project2-web-1 created", "project2-web-2 created"]);
    expect(await changes([], cwd)).toEqual(["project2-web-2 removed", "project2-web-1 unchanged"]);
    await sandbox.ok(["down"], { cwd });
  }, 60_000);

  test("get their variables and their command, and their consoles are told apart", async () => {
    const cwd = services(`services:
  one: { image: report, ${SMALL}, environment: { TEST_A: "1 2" } }
  two: { image: report, ${SMALL}, command: ["/report", "b c"] }
`);
    const shown = await sandbox.ok(["up"], { cwd });
    expect(shown).toContain("project3-one-1 | variable: [TEST_A=1 2]");
    expect(shown).toContain("project3-one-1 | argument: [a]");
    expect(shown).toContain("project3-two-1 | argument: [b c]");
    expect(await sandbox.ok(["logs"], { cwd })).toContain("project3-two-1 | done");
    // Those of the starts before are for `logs`.
    const again = await sandbox.ok(["up"], { cwd });
    expect(again.match(/project3-two-1 \| done/g)).toHaveLength(1);
    expect((await sandbox.ok(["logs"], { cwd })).match(/project3-two-1 \| done/g)).toHaveLength(2);
    expect(await sandbox.ok(["logs", "-f", "capstan.yaml", "-n", "1"], { cwd })).not.toContain("argument");
    await sandbox.ok(["down"], { cwd });
  }, 60_000);

  test("wait for what they depend on to complete, and do not start when that fails", async () => {
    const file = (exit: string) => `services:
  job: { image: report, ${SMALL}, environment: { EXIT: "${exit}" } }
  web: { image: sleep, ${SMALL}, depends_on: { job: { condition: service_completed_successfully } } }
`;
    const cwd = services(file("3"));
    const failed = await sandbox.run(["up", "-d"], { cwd });
    expect(failed.code).toBe(1);
    expect(failed.stderr).toContain("project4-job-1 has failed");
    expect((await instances("-f", `${cwd}/capstan.yaml`)).map(({ name }) => name)).toEqual(["project4-job-1"]);
    sandbox.write({ "capstan.yaml": file("0") }, cwd);
    expect(await changes([], cwd)).toEqual(["project4-job-1 recreated", "project4-web-1 created"]);
    await sandbox.ok(["down"], { cwd });
  }, 90_000);

  test.each([
    ["0", 0],
    ["3", 1],
  ])(
    "end with the one of --exit-code-from, status %s",
    async (status, code) => {
      const cwd = services(`services:
  web: { image: sleep, ${SMALL} }
  tests: { image: report, ${SMALL}, environment: { EXIT: "${status}" }, depends_on: [web] }
`);
      const result = await sandbox.run(["up", "--exit-code-from", "tests"], { cwd });
      expect([result.code, result.stdout]).toEqual([code, expect.stringMatching(/tests-1 \| done/)]);
      const left = await instances("-f", `${cwd}/capstan.yaml`);
      expect(left.map(({ status }) => status).sort()).toEqual(
        [status === "0" ? "stopped" : "failed", "stopped"].sort(),
      );
      await sandbox.ok(["down"], { cwd });
    },
    60_000,
  );

  test("wait for each other's health, with --wait too", async () => {
    const cwd = services(`services:
  db:
    image: sleep
    mem_limit: 64M
    healthcheck: { test: "log:waiting", interval: 200ms }
  web: { image: sleep, ${SMALL}, depends_on: { db: { condition: service_healthy } }, healthcheck: { test: "log:never", interval: 200ms, retries: 1 } }
`);
    const result = await sandbox.run(["up", "--wait", "--wait-timeout", "3s"], { cwd });
    expect(result.code).toBe(1);
    expect(result.stderr).toContain("web-1: created");
    expect(result.stderr).toMatch(/waiting for web to be healthy: it took more than 3 seconds/);
    await sandbox.ok(["down"], { cwd });
  }, 60_000);

  test("in the foreground are stopped by Ctrl-C, and kept", async () => {
    const cwd = services(`services:\n  web: { image: sleep, ${SMALL} }\n`);
    const up = sandbox.run(["up"], { cwd, onStart: (child) => void interruptWhenWaiting(child) });
    const { code, stdout } = await up;
    expect(stdout).toContain("web-1 | waiting");
    expect(code).toBe(130);
    expect((await instances("-f", `${cwd}/capstan.yaml`)).map(({ status }) => status)).toEqual(["stopped"]);
    await sandbox.ok(["down"], { cwd });
  }, 60_000);

  test("in the foreground are stopped by Ctrl-C while some still wait for others, too", async () => {
    const cwd = services(`services:
  db: { image: sleep, ${SMALL}, healthcheck: { test: "log:never", interval: 1s } }
  web: { image: sleep, ${SMALL}, depends_on: { db: { condition: service_healthy } } }
`);
    const { code, stderr } = await sandbox.run(["up"], {
      cwd,
      onStart: (child) => {
        let told = "";
        child.stderr?.on("data", (chunk: Buffer) => {
          const before = told;
          told += chunk.toString();
          if (told.includes("web waits for db") && !before.includes("web waits for db")) child.kill("SIGINT");
        });
      },
    });
    expect([code, stderr]).toEqual([130, expect.stringContaining("db-1: stopped")]);
    expect((await instances("-f", `${cwd}/capstan.yaml`)).map(({ status }) => status)).toEqual(["stopped"]);
    await sandbox.ok(["down"], { cwd });
  }, 60_000);

  test("have volumes beside the file, which stay", async () => {
    const cwd = services(
      `services:\n  web: { image: sleep, ${SMALL}, volumes: [data] }\nvolumes:\n  data: { driver_opts: { size: 2M } }\n`,
    );
    await sandbox.ok(["up", "-d"], { cwd });
    await sandbox.ok(["down"], { cwd });
    expect(readdirSync(`${cwd}/volumes`)).toContain("data");
  }, 60_000);

  test("run examples/services as it says", async () => {
    cpSync(join(repository, "examples"), sandbox.path("examples"), { recursive: true });
    const cwd = sandbox.path("examples/services");
    const shown = await sandbox.ok(["up", "--loader", "builtin"], { cwd, env: { WHO: "reader" } });
    expect(shown).toContain("services-prepare-1 | argument: [the database]");
    expect(shown).toContain("services-serve-1   | Hello, reader!");
    expect(await sandbox.json(["down"], { cwd })).toHaveLength(2);
  }, 60_000);

  test.each([
    [["up", "-f", "none.yaml"], 66, "There is no services file none.yaml"],
    [["up", "nobody"], 64, "There is no service nobody"],
    [["up", "--scale", "web"], 64, "--scale 'web' is not of the form"],
    [["up", "--json"], 64, "--json goes with --detach"],
  ])("refuse %j", async (args, code, text) => {
    const cwd = services(`services:\n  web: { image: sleep }\n`);
    const result = await sandbox.run(args, { cwd });
    expect(result.code).toBe(code);
    expect(`${result.stderr}${result.stdout}`).toContain(text);
  });
});

async function interruptWhenWaiting(child: ChildProcess): Promise<void> {
  let shown = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    shown += chunk.toString();
  });
  while (!shown.includes("waiting")) await delay(50);
  child.kill("SIGINT");
}
