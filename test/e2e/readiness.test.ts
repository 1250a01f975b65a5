import { setTimeout as delay } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { compile, lacksGuests, SMALL } from "../support/guest.ts";
import { describeUnless } from "../support/machine.ts";
import { Sandbox } from "../support/sandbox.ts";

const lacking = lacksGuests("gcc");
const sandbox = new Sandbox();
// Where every test is skipped, nothing runs after them.
if (lacking !== undefined) sandbox.remove();

/** Says its arguments, each on a line, and waits; ends where an argument is `end`. */
const SAY = `
#include <stdio.h>
#include <string.h>
int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "end"))
            return 0;
        puts(argv[i]);
        fflush(stdout);
    }
    for (;;)
        __asm__ volatile("pause");
}
`;

beforeAll(async () => {
  if (lacking !== undefined) return;
  compile(sandbox.path("root/say"), SAY, ["-static"]);
  await sandbox.ok(["compose", "say", "root", "-l", "builtin", "-c", "/say one two"]);
});

afterAll(() => sandbox.remove());

interface Info {
  readonly name: string;
  readonly status: string;
  readonly health?: string;
}

const list = () => sandbox.json<Info[]>(["instances"]);

afterEach(async () => {
  if (lacking !== undefined) return;
  for (const { name } of await list()) await sandbox.ok(["delete", "-f", name]);
});

function run(...args: readonly string[]) {
  return sandbox.run(["run", "-d", ...SMALL, "say", ...args]);
}

describeUnless(lacking)("--wait-for", () => {
  test("returns when the line is there", async () => {
    const { code, stdout, stderr } = await run("--wait-for", "log:^two$");
    expect({ code, stdout }).toEqual({ code: 0, stdout: "say\n" });
    expect(stderr).toMatch(/^say is ready after \d+\.\d s: two$/m);
    expect(await sandbox.ok(["logs", "say", "-n", "1"])).toBe("two\r\n");
  });

  test("fails when the time is over, and the guest goes on", async () => {
    const { code, stderr } = await run("--wait-for", "log:^three$", "--wait-timeout", "1s");
    expect(code).toBe(1);
    expect(stderr).toContain("say is not ready after 1 s (log:^three$: no line matched)");
    expect(await list()).toMatchObject([{ name: "say", status: "running" }]);
  });

  test("fails at once when the guest ends, with its last lines", async () => {
    const { code, stderr } = await run("-e", "/say last end", "--wait-for", "log:^three$");
    expect(code).toBe(1);
    expect(stderr).toContain("say ended before it was ready");
    expect(stderr).toMatch(/^ +last$/m);
  });

  test("of a second start, what the first one has said does not count", async () => {
    expect((await run("-e", "/say one end", "--wait-for", "log:^one$")).code).toBe(0);
    await sandbox.ok(["wait", "say"]);
    const again = await sandbox.run(["start", "say", "--wait-for", "log:^two$", "--wait-timeout", "1s"]);
    expect(again.code).toBe(1);
  });

  test("a port that is not forwarded is refused before anything is made", async () => {
    const { code, stderr } = await run("--wait-for", "tcp:80");
    expect(code).toBe(64);
    expect(stderr).toContain("port 80 of the guest is not forwarded");
    expect(await list()).toEqual([]);
  });

  test("a port that QEMU takes connections for, and the guest does not, is not open", async () => {
    for (const probe of ["tcp:80", "http:80/"]) {
      const { code, stderr } = await run(
        "--name",
        probe.slice(0, 4).replace(":", ""),
        "-f",
        ":80",
        "--wait-for",
        probe,
        "--wait-timeout",
        "2",
      );
      expect(code).toBe(1);
      expect(stderr).toContain(`is not ready after 2 s (${probe}`);
    }
  });

  test.each([
    ["--wait-for", "ready"],
    ["--wait-for", "log:("],
    ["--wait-timeout", "3s"],
    ["--health", "udp:3"],
    ["--health-interval", "3s"],
    ["--log-size", "1K"],
  ])("%s %s is refused", async (...flags) => {
    expect((await run(...flags)).code).toBe(64);
    expect(await list()).toEqual([]);
  });
});

describeUnless(lacking)("--health", () => {
  test.each([
    ["log:^two$", "healthy"],
    ["log:^three$", "unhealthy"],
  ])("%s: %s", async (probe, expected) => {
    expect((await run("--health", probe, "--health-interval", "200ms", "--health-retries", "2")).code).toBe(0);
    let health: string | undefined;
    for (let looks = 0; health !== expected && looks < 30; looks++) {
      await delay(200);
      health = (await list())[0]?.health;
    }
    expect(health).toBe(expected);
  });
});
