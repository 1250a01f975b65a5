import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import { openControl } from "../../src/instances/control/client.ts";
import { deleteByForce, deleteInstance } from "../../src/instances/delete.ts";
import { inspectInstance } from "../../src/instances/inspect.ts";
import { instanceInfo, listInstances } from "../../src/instances/list.ts";
import { readLock } from "../../src/instances/lock.ts";
import { pauseInstance, resumeInstance } from "../../src/instances/pause.ts";
import { identify, isAlive } from "../../src/instances/process-identity.ts";
import { pruneInstances } from "../../src/instances/prune.ts";
import type { PlanInput } from "../../src/instances/run-input.ts";
import { startInstance } from "../../src/instances/start.ts";
import { readState } from "../../src/instances/state.ts";
import { killInstance, stopInstance } from "../../src/instances/stop.ts";
import { runDetached } from "../../src/instances/supervisor/launch.ts";
import { waitForInstance } from "../../src/instances/wait.ts";
import { MiB } from "../../src/support/bytes.ts";
import { temporaryFolder, testContext } from "../hypervisors/tiny-guest.ts";
import { describeUnless, lacksProgram } from "../support/machine.ts";
import { image, remains } from "./support.ts";

const top = temporaryFolder();
const roots: string[] = [];

function newRoot(): string {
  const root = join(top, `root-${roots.length}`);
  mkdirSync(root);
  roots.push(root);
  return root;
}

/** A test that fails must not leave a guest behind. */
afterEach(async () => {
  for (const root of roots) for (const name of remains(root)) await deleteByForce(root, name, testContext());
});

const small = { memory: 32 * MiB, cpus: 1, acceleration: "tcg" } as const;

function start(root: string, changes: Partial<PlanInput>, context = testContext()) {
  return runDetached({ root, ...small, ...changes }, context);
}

const folderOf = (root: string, name: string) => join(root, "instances/qemu", name);

function processes(root: string, name: string): { supervisor: number; qemu: number } {
  const owner = readLock(folderOf(root, name))?.owner;
  return { supervisor: owner?.capstan.pid ?? 0, qemu: owner?.qemu?.pid ?? 0 };
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await delay(20);
}

const status = async (root: string, name: string) => (await instanceInfo(root, name))?.status;

/** So that nothing waits for a process that is not our child. */
async function end(pid: number, signal: NodeJS.Signals): Promise<void> {
  const who = identify(pid);
  process.kill(pid, signal);
  await until(() => !isAlive(who));
}

describeUnless(lacksProgram("qemu-system-x86_64"))("in the background", () => {
  test("a guest runs on by itself; stop says that it powered off; it is kept, and started again with its own disk", async () => {
    const root = newRoot();
    const context = testContext();
    const { name, state } = await start(root, { image: image(root, "app", "wait") }, context);
    expect([name, state.state]).toEqual(["app", "running"]);
    expect(context.events).toContainEqual({ kind: "step", text: "Created the instance app" });
    const { supervisor, qemu } = processes(root, "app");
    expect(supervisor).not.toBe(process.pid);
    expect(await instanceInfo(root, "app")).toMatchObject({
      status: "running",
      pid: qemu,
      supervisor,
      persistent: true,
    });
    expect(await stopInstance({ root, name }, context)).toEqual({ name, how: "powered-off" });
    expect(await instanceInfo(root, "app")).toMatchObject({ status: "stopped", pid: undefined });
    const before = readState(folderOf(root, name))?.times.created;

    await startInstance({ root, name, acceleration: "tcg" }, context);
    expect(await status(root, "app")).toBe("running");
    expect(await startInstance({ root, name, acceleration: "tcg" }, context)).toBeUndefined();
    expect(readState(folderOf(root, name))?.times.created).toBe(before);
    await until(() => readFileSync(join(folderOf(root, name), "console.log"), "utf8") === "waitwait");
    await killInstance(root, name, context);
    const left = [
      "base.qemu",
      "console.log",
      "console.times",
      "disk.qcow2",
      "osv.config",
      "state.json",
      "supervisor.log",
    ];
    expect(readdirSync(folderOf(root, name)).sort()).toEqual(left);
  });

  test("with --rm nothing stays, and who waits is told all the same", async () => {
    const root = newRoot();
    await start(root, { image: image(root, "app", "wait"), removeAtEnd: true });
    const waited = waitForInstance(root, "app", testContext());
    await stopInstance({ root, name: "app" }, testContext());
    expect(await waited).toMatchObject({ name: "app", state: "stopped", guestStatus: 0 });
    await until(() => remains(root).length === 0);
  });

  test("what keeps a guest from starting is told, and nothing stays of a new one", async () => {
    const root = newRoot();
    const app = image(root, "app", "wait");
    const volumes = [
      { path: join(root, "nothing"), format: "raw", aio: "threads", cache: "none", readonly: false },
    ] as const;
    await expect(start(root, { image: app, volumes })).rejects.toMatchObject({ name: "CapstanError" });
    expect(remains(root)).toEqual([]);
    await expect(start(root, {})).rejects.toMatchObject({ code: "nothing-to-run", exitCode: 64 });
    await expect(start(root, { name: "nope" })).rejects.toMatchObject({ code: "no-such-instance", exitCode: 66 });
  });

  test("a command for this time is made from the composed one, and inspect tells all of it", async () => {
    const root = newRoot();
    await start(root, { image: image(root, "app", "wait"), commandLine: (composed) => `more ${composed}` });
    const details = await inspectInstance(root, "app");
    expect(details.commandLine).toBe("more wait");
    expect(details.argv).toContain("-nodefaults");
    expect(details.times).toMatchObject({ asked: expect.any(String), qemuStarted: expect.any(String) });
    expect(details.config).toMatchObject({ commandLine: "more wait", memory: 32 * MiB });
  });

  test("input comes in order through the control socket, from several at once", async () => {
    const root = newRoot();
    await start(root, { image: image(root, "echo", "D ready\n") });
    const lock = readLock(folderOf(root, "echo"));
    if (lock === undefined) throw new Error("no lock");
    const clients = await Promise.all([openControl(lock), openControl(lock)]);
    const said = () => readFileSync(join(folderOf(root, "echo"), "console.log"), "latin1");
    await Promise.all(clients.map((client, index) => client.sendInput(Buffer.from(index === 0 ? "abc" : "123"))));
    await until(() => said().length >= "D ready\n".length + 6);
    const echoed = said().slice("D ready\n".length);
    expect([echoed.replace(/\d/g, ""), echoed.replace(/\D/g, "")]).toEqual(["abc", "123"]);
    await expect(clients[0]?.request("dance")).rejects.toMatchObject({ code: "unknown-request" });
    for (const client of clients) client.close();
  });

  test("pause and resume are QEMU's; a paused guest can be stopped", async () => {
    const root = newRoot();
    await start(root, { image: image(root, "app", "wait") });
    await pauseInstance(root, "app");
    expect(await status(root, "app")).toBe("paused");
    await resumeInstance(root, "app");
    expect(await status(root, "app")).toBe("running");
    await pauseInstance(root, "app");
    expect(await stopInstance({ root, name: "app" }, testContext())).toMatchObject({ how: "powered-off" });
    await expect(pauseInstance(root, "app")).rejects.toMatchObject({ code: "not-running", exitCode: 73 });
  });

  test("D25: a guest that does not listen is ended, and that is said; kill does not ask", async () => {
    const root = newRoot();
    const deaf = image(root, "deaf", "D wait");
    await start(root, { image: deaf });
    expect(await stopInstance({ root, name: "deaf", waitMs: 200 }, testContext())).toMatchObject({ how: "ended" });
    expect(await instanceInfo(root, "deaf")).toMatchObject({ status: "stopped" });
    await startInstance({ root, name: "deaf", acceleration: "tcg" }, testContext());
    expect(await killInstance(root, "deaf", testContext())).toMatchObject({ how: "ended" });
  });

  test("a guest that runs too long is ended and has failed", async () => {
    const root = newRoot();
    await start(root, { image: image(root, "long", "wait"), timeoutMs: 1500 });
    expect(await waitForInstance(root, "long", testContext())).toMatchObject({
      state: "failed",
      reason: "it ran longer than 1.5 s",
      guestStatus: 1,
    });
  });

  test("a guest that failed is shown so, with its program's exit status", async () => {
    const root = newRoot();
    // What it says is what its disk holds, not what the instance thinks that it boots with: no echo then.
    const bad = image(root, "bad", "D\nprogram exited with status 3\n");
    await start(root, { image: bad, commandLine: () => "wait" });
    const lock = readLock(folderOf(root, "bad"));
    if (lock === undefined) throw new Error("no lock");
    const client = await openControl(lock);
    await client.sendInput(Buffer.from("\nprogram exited with status 3\n"));
    client.close();
    await until(() => readFileSync(join(folderOf(root, "bad"), "console.log"), "utf8").includes("status 3\n"));
    process.kill(processes(root, "bad").qemu, "SIGTERM");
    expect(await waitForInstance(root, "bad", testContext())).toMatchObject({ state: "failed", guestStatus: 3 });
    expect(await instanceInfo(root, "bad")).toMatchObject({
      status: "failed",
      guestStatus: 3,
      reason: "its program ended with exit status 3",
    });
  });
});

describeUnless(lacksProgram("qemu-system-x86_64"))("restarts", () => {
  test("always: a guest that has ended comes again with its disk, until it is stopped", async () => {
    const root = newRoot();
    await start(root, { image: image(root, "again", "P again\n"), restart: { kind: "always" } });
    await until(() => (readState(folderOf(root, "again"))?.restarts ?? 0) >= 2);
    expect(["running", "restarting", "created"]).toContain(await status(root, "again"));
    await stopInstance({ root, name: "again" }, testContext());
    expect(await status(root, "again")).toBe("stopped");
    const said = readFileSync(join(folderOf(root, "again"), "console.log"), "utf8");
    expect(said).toMatch(/^(P again\n){2,}$/);
  });

  test("on-failure: QEMU that is killed is a failure, a guest that powers off is none", async () => {
    const root = newRoot();
    const restart = { kind: "on-failure", most: 1 } as const;
    await start(root, { image: image(root, "app", "wait"), restart });
    const first = processes(root, "app").qemu;
    await end(first, "SIGKILL");
    await until(async () => (await status(root, "app")) === "running" && processes(root, "app").qemu !== first);
    expect(await instanceInfo(root, "app")).toMatchObject({ restarts: 1 });
    await end(processes(root, "app").qemu, "SIGKILL");
    expect(await waitForInstance(root, "app", testContext())).toMatchObject({ state: "failed" });
    await start(root, { image: image(root, "well", "P"), restart });
    expect(await waitForInstance(root, "well", testContext())).toMatchObject({ state: "stopped" });
    expect(await instanceInfo(root, "well")).toMatchObject({ restarts: 0 });
  });
});

describeUnless(lacksProgram("qemu-system-x86_64"))("faults", () => {
  test("the supervisor is killed: the guest goes on, is shown, and can be stopped and started again", async () => {
    const root = newRoot();
    await start(root, { image: image(root, "app", "wait") });
    await end(processes(root, "app").supervisor, "SIGKILL");
    expect(await instanceInfo(root, "app")).toMatchObject({
      status: "running",
      reason: expect.stringContaining("supervisor was killed"),
    });
    await expect(startInstance({ root, name: "app", acceleration: "tcg" }, testContext())).resolves.toBeUndefined();
    expect(await stopInstance({ root, name: "app" }, testContext())).toMatchObject({ how: "powered-off" });
    expect(await instanceInfo(root, "app")).toMatchObject({ status: "stopped", reason: undefined });
    expect(remains(root)).toEqual(["app"]);
    await startInstance({ root, name: "app", acceleration: "tcg" }, testContext());
    expect(await status(root, "app")).toBe("running");
  });

  test("the supervisor is killed in the moment in which QEMU comes up: it is found all the same, and can be stopped", async () => {
    const root = newRoot();
    const lock = join(folderOf(root, "app"), "lock.1");
    await start(root, { image: image(root, "app", "wait") });
    const { supervisor, qemu } = processes(root, "app");
    await end(supervisor, "SIGKILL");
    const { qemu: _, ...rest } = JSON.parse(readFileSync(lock, "utf8"));
    writeFileSync(lock, JSON.stringify({ ...rest, starting: true }));
    expect(await instanceInfo(root, "app")).toMatchObject({ status: "running", pid: qemu });
    expect(await pruneInstances(root, { stopped: true })).toEqual({ removed: [], tidied: [] });
    expect(() => deleteInstance(root, "app")).toThrow(expect.objectContaining({ code: "instance-running" }));
    expect(await killInstance(root, "app", testContext())).toEqual({ name: "app", how: "ended" });
    expect(isAlive(identify(qemu))).toBe(false);
    expect(await status(root, "app")).toBe("stopped");
  });

  test("supervisor and QEMU are killed: a kept one has failed, of the other prune leaves nothing", async () => {
    const root = newRoot();
    await start(root, { image: image(root, "kept", "wait") });
    await start(root, { image: image(root, "gone", "wait"), removeAtEnd: true });
    await start(root, { image: image(root, "fine", "wait") });
    for (const name of ["kept", "gone"]) {
      const { supervisor, qemu } = processes(root, name);
      await end(supervisor, "SIGKILL");
      await end(qemu, "SIGKILL");
    }
    expect((await listInstances(root)).map(({ name, status }) => [name, status])).toEqual([
      ["fine", "running"],
      ["gone", "broken"],
      ["kept", "failed"],
    ]);
    expect(await pruneInstances(root, { stopped: false })).toEqual({ removed: ["gone"], tidied: ["kept"] });
    expect(await pruneInstances(root, { stopped: false })).toEqual({ removed: [], tidied: [] });
    expect(await pruneInstances(root, { stopped: true })).toEqual({ removed: ["kept"], tidied: [] });
    expect((await listInstances(root)).map(({ name, status }) => [name, status])).toEqual([["fine", "running"]]);
  });

  test("a supervisor that does not answer any more does not keep an instance from being killed", async () => {
    const root = newRoot();
    await start(root, { image: image(root, "app", "wait") });
    const { supervisor, qemu } = processes(root, "app");
    process.kill(supervisor, "SIGSTOP");
    expect(await killInstance(root, "app", testContext())).toMatchObject({ how: "ended" });
    expect([isAlive(identify(qemu)), await status(root, "app")]).toEqual([false, "stopped"]);
  });

  test("its folder is deleted under it: it is ended, and nobody else is touched", async () => {
    const root = newRoot();
    await start(root, { image: image(root, "app", "wait") });
    await start(root, { image: image(root, "other", "wait") });
    const { supervisor, qemu } = processes(root, "app");
    const [capstan, guest] = [identify(supervisor), identify(qemu)];
    renameSync(folderOf(root, "app"), join(root, "elsewhere"));
    rmSync(join(root, "elsewhere"), { recursive: true });
    await until(() => !isAlive(capstan) && !isAlive(guest));
    expect((await listInstances(root)).map(({ name, status }) => [name, status])).toEqual([["other", "running"]]);
  });

  test("its lock is damaged: the supervisor mends it, and the guest is found and stopped", async () => {
    const root = newRoot();
    await start(root, { image: image(root, "app", "wait") });
    const guest = identify(processes(root, "app").qemu);
    writeFileSync(join(folderOf(root, "app"), "lock.1"), "garbage");
    await until(() => readLock(folderOf(root, "app"))?.owner?.qemu !== undefined);
    expect(await status(root, "app")).toBe("running");
    await killInstance(root, "app", testContext());
    expect(isAlive(guest)).toBe(false);
  });

  test.each(["", "{", "null", '{"version":1,"state":"stopped"}', '{"version":9}', "\0\0"])(
    "a state file of %j is not believed, and does no harm",
    async (text) => {
      const root = newRoot();
      await start(root, { image: image(root, "app", "wait") });
      writeFileSync(join(folderOf(root, "app"), "state.json"), text);
      expect(await instanceInfo(root, "app")).toMatchObject({ status: "running" });
      await stopInstance({ root, name: "app" }, testContext());
      writeFileSync(join(folderOf(root, "app"), "state.json"), text);
      expect(await instanceInfo(root, "app")).toMatchObject({ status: "stopped" });
      deleteInstance(root, "app");
    },
  );

  test("a process that got the number of one that ended is not taken for it, and not ended in its place", async () => {
    const root = newRoot();
    await start(root, { image: image(root, "app", "wait") });
    const folder = folderOf(root, "app");
    const lock = readLock(folder);
    await stopInstance({ root, name: "app" }, testContext());
    const stranger = spawn("sleep", ["600"]);
    const { pid = 0 } = stranger;
    const start0 = `${lock?.owner?.capstan.start.replace(/\d+$/, "")}1`;
    writeFileSync(
      join(folder, "lock.7"),
      JSON.stringify({ ...lock?.owner, capstan: { pid, start: start0 }, qemu: { pid, start: start0 } }),
    );
    expect(await status(root, "app")).toBe("stopped");
    expect(await stopInstance({ root, name: "app" }, testContext())).toMatchObject({ how: "not-running" });
    expect(await killInstance(root, "app", testContext())).toMatchObject({ how: "not-running" });
    expect(await pruneInstances(root, { stopped: false })).toEqual({ removed: [], tidied: ["app"] });
    expect(stranger.exitCode).toBeNull();
    stranger.kill();
  });
});

describeUnless(lacksProgram("qemu-system-x86_64"))("names in the background", () => {
  test("unnamed ones that start at once get names of their own; of one name, one gets it", async () => {
    const root = newRoot();
    const app = image(root, "app", "wait");
    const unnamed = await Promise.all(Array.from({ length: 4 }, () => start(root, { image: app })));
    expect(unnamed.map(({ name }) => name).sort()).toEqual(["app", "app-2", "app-3", "app-4"]);
    const named = await Promise.allSettled(
      Array.from({ length: 4 }, () => start(root, { image: app, name: "one", exactName: true })),
    );
    expect(named.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    const refused = named.flatMap((one) => (one.status === "rejected" ? [one.reason] : []));
    for (const error of refused) expect(error).toMatchObject({ code: "instance-running", exitCode: 73 });
    expect(await Promise.all(remains(root).map((name) => status(root, name)))).toEqual(Array(5).fill("running"));
  });

  test("D14: the name of another image's instance is refused, and that one stays as it is", async () => {
    const root = newRoot();
    await start(root, { image: image(root, "app", "P"), name: "mine", exactName: true });
    await waitForInstance(root, "mine", testContext());
    const before = readFileSync(join(folderOf(root, "mine"), "disk.qcow2"));
    await expect(
      start(root, { image: image(root, "other", "P"), name: "mine", exactName: true }),
    ).rejects.toMatchObject({ code: "instance-exists", exitCode: 73 });
    expect(readFileSync(join(folderOf(root, "mine"), "disk.qcow2")).equals(before)).toBe(true);
    expect(existsSync(folderOf(root, "mine-2"))).toBe(false);
  });
});

describe("an instance that is not there", () => {
  test("D24: is an error for each command", async () => {
    const root = newRoot();
    const refusal = { code: "no-such-instance", exitCode: 66 };
    const context = testContext();
    await expect(startInstance({ root, name: "x" }, context)).rejects.toMatchObject(refusal);
    await expect(stopInstance({ root, name: "x" }, context)).rejects.toMatchObject(refusal);
    await expect(killInstance(root, "x", context)).rejects.toMatchObject(refusal);
    await expect(pauseInstance(root, "x")).rejects.toMatchObject(refusal);
    await expect(waitForInstance(root, "x", context)).rejects.toMatchObject(refusal);
    await expect(inspectInstance(root, "x")).rejects.toMatchObject(refusal);
    await expect(deleteByForce(root, "x", context)).rejects.toMatchObject(refusal);
  });
});
