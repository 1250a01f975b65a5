import { afterAll, afterEach, expect, test } from "vitest";
import { writeTinyDisk } from "../hypervisors/tiny-guest.ts";
import { describeUnless, lacksProgram } from "../support/machine.ts";
import { Sandbox } from "../support/sandbox.ts";

const sandbox = new Sandbox();
const wait = writeTinyDisk(sandbox.path("wait.img"), "wait");
const quick = writeTinyDisk(sandbox.path("quick.img"), "P quick\n");
const small = ["-m", "32M", "-c", "1"];

interface Info {
  readonly name: string;
  readonly status: string;
  readonly ports: readonly string[];
}

const instances = () => sandbox.json<Info[]>(["instances"]);

afterEach(async () => {
  const names = (await instances()).map(({ name }) => name);
  if (names.length > 0) await sandbox.ok(["delete", "-f", ...names]);
});
afterAll(() => sandbox.remove());

describeUnless(lacksProgram("qemu-system-x86_64"))("an instance's life", () => {
  test("$ capstan run -d, ps, pause, resume, stop, start, restart, wait, inspect, delete", async () => {
    expect(await sandbox.ok(["run", "-d", wait, "--name", "one", ...small])).toBe("one\n");
    expect(await sandbox.ok(["ps"])).toMatch(/^one +qemu +running +wait +\d+s +- +- +32MiB +1$/m);
    expect(await sandbox.json(["pause", "one"])).toEqual({ paused: "one" });
    expect(await instances()).toMatchObject([{ name: "one", status: "paused" }]);
    expect(await sandbox.json(["resume", "one"])).toEqual({ resumed: "one" });
    expect(await sandbox.json(["stop", "one"])).toEqual({ name: "one", how: "powered-off" });
    expect(await sandbox.json(["start", "one"])).toMatchObject({ name: "one", status: "running" });
    expect(await sandbox.json(["restart", "one"])).toMatchObject({ name: "one", status: "running" });
    const details = await sandbox.json<{ argv: string[] }>(["inspect", "one"]);
    expect(details).toMatchObject({ name: "one", status: "running", config: { image: "wait" } });
    expect(JSON.parse(await sandbox.ok(["inspect", "one"]))).toMatchObject({ argv: details.argv });
    const waited = sandbox.run(["wait", "one", "--json"]);
    expect(await sandbox.json(["kill", "one"])).toEqual({ name: "one", how: "ended" });
    const { code, stdout } = await waited;
    expect([code, JSON.parse(stdout)]).toEqual([0, { name: "one", state: "stopped", guestStatus: 0 }]);
    expect(await sandbox.ok(["wait", "one"])).toBe("0\n");
    expect(await sandbox.ok(["delete", "one"])).toBe("");
    expect(await instances()).toEqual([]);
  });

  test("$ capstan run -d: a second one of that name is refused with advice, an unnamed one gets its own", async () => {
    await sandbox.ok(["run", "-d", wait, ...small]);
    const { code, stderr } = await sandbox.run(["run", "-d", quick, "--name", "wait", ...small]);
    expect([code, stderr]).toEqual([73, expect.stringMatching(/^Error: [^\n]*\n[^\n]*--name[^\n]*\n$/)]);
    expect(await sandbox.ok(["run", "-d", wait, ...small])).toBe("wait-2\n");
    expect(await sandbox.json(["stop", "wait", "wait-2"])).toMatchObject([{ name: "wait" }, { name: "wait-2" }]);
  });

  test("several at once: one that fails keeps no other", async () => {
    await sandbox.ok(["run", "-d", wait, "--name", "one", ...small]);
    const { code, stdout, stderr } = await sandbox.run(["kill", "nope", "one", "--json"]);
    expect(code).toBe(66);
    expect(stderr).toMatch(/There is no instance nope\. See/);
    expect(JSON.parse(stdout)).toMatchObject([{ error: { code: "no-such-instance" } }, { name: "one", how: "ended" }]);
  });

  test("$ capstan run -d --rm: nothing stays; --wait-for tells when it is ready", async () => {
    expect(await sandbox.ok(["run", "-d", "--rm", wait, "--wait-for", "log:wait", "--name", "gone", ...small])).toBe(
      "gone\n",
    );
    await sandbox.ok(["kill", "gone"]);
    expect(await instances()).toEqual([]);
  });

  test.each([
    [["--rm", "--persist"], "exclude each other"],
    [["--restart", "sometimes"], "Write no, on-failure"],
    [["--timeout", "soon"], "is not a span of time"],
    [["--wait-for", "log:x"], "goes with --detach"],
  ])("$ capstan run %j is refused", async (flags, said) => {
    const { code, stderr } = await sandbox.run(["run", wait, ...flags]);
    expect([code, stderr]).toEqual([64, expect.stringContaining(said)]);
    expect(await instances()).toEqual([]);
  });
});
