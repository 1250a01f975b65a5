import { spawn } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { deleteInstance } from "../../src/instances/delete.ts";
import { listInstances } from "../../src/instances/list.ts";
import { readLock } from "../../src/instances/lock.ts";
import { identify } from "../../src/instances/process-identity.ts";
import { stopInstance } from "../../src/instances/stop.ts";
import { temporaryFolder, testContext } from "../hypervisors/tiny-guest.ts";
import { image, remains, run } from "./support.ts";

const top = temporaryFolder();
let count = 0;

function newRoot(): string {
  const root = join(top, `root-${++count}`);
  mkdirSync(root);
  return root;
}

function brokenInstance(root: string, name: string, config: string): void {
  const folder = join(root, "instances/qemu", name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "osv.config"), config);
}

describe("instances", () => {
  test("there are none without a folder of them", async () => {
    expect(await listInstances(newRoot())).toEqual([]);
  });

  test("running ones, persisted or not, and stopped ones are listed by name", async () => {
    const root = newRoot();
    const app = image(root, "app", "wait");
    await run(root, { image: image(root, "kept", "P"), persist: true }).result;
    const guest = run(root, { image: app });
    await guest.shows("wait");
    const common = { platform: "qemu", ports: [], memory: 32 << 20, cpus: 1, restarts: 0, labels: {} };
    const time = expect.stringMatching(/^20.*Z$/);
    expect(await listInstances(root)).toEqual([
      {
        ...{ ...common, name: "app", status: "running", image: "app", persistent: false },
        ...{ since: time, started: time, pid: expect.any(Number), supervisor: process.pid },
      },
      { ...common, name: "kept", status: "stopped", image: "kept", persistent: true, since: time },
    ]);
    guest.interrupt();
    await guest.result;
    expect((await listInstances(root)).map(({ name }) => name)).toEqual(["kept"]);
  });

  test.each([
    ["", "holds no settings"],
    ["{", "cannot be read"],
    ["a: [", "cannot be read"],
    ["- 1", "holds no settings"],
    ['{"memory": "lots"}', "'memory' is not a number"],
    ['{"cpus": 0}', "'cpus' is not a number"],
    ['{"networking": "/"}', ""],
    ['{"restart": "sometimes"}', "'sometimes' does not say when to restart"],
    ['{"forwards": ["a:b"]}', "'a' is not a port"],
    ['{"natrules": [1]}', ""],
    ['{"volumes": ["/x:aio=pigeon"]}', "'pigeon' is no aio"],
    ["x: &a [*a, *a]", ""],
    ["cpus: 2", "disk.qcow2 is missing"],
  ])(
    "D10: an instance whose config is %j is listed as broken, with the reason, and hides no other",
    async (config, reason) => {
      const root = newRoot();
      brokenInstance(root, "broken", config);
      await run(root, { image: image(root, "kept", "P"), persist: true }).result;
      const [broken, kept] = await listInstances(root);
      expect(broken).toMatchObject({ name: "broken", status: "broken", reason: expect.stringContaining(reason) });
      expect(kept).toMatchObject({ name: "kept", status: "stopped" });
    },
  );

  test("D10: starting a broken one is a clear error, deleting it works", async () => {
    const root = newRoot();
    brokenInstance(root, "broken", "{");
    await expect(run(root, { name: "broken" }).result).rejects.toMatchObject({
      code: "broken-instance",
      hint: expect.stringContaining("capstan delete"),
    });
    deleteInstance(root, "broken");
    expect(remains(root)).toEqual([]);
  });

  test("what is no instance at all is listed as broken too", async () => {
    const root = newRoot();
    mkdirSync(join(root, "instances/qemu/empty"), { recursive: true });
    symlinkSync("/nowhere", join(root, "instances/qemu/dangling"));
    expect(await listInstances(root)).toMatchObject([{ name: "empty", status: "broken" }]);
  });
});

describe("stop", () => {
  test("D25: asks the guest, waits, and says that it powered off", async () => {
    const root = newRoot();
    const guest = run(root, { image: image(root, "app", "wait") });
    await guest.shows("wait");
    expect(await stopInstance({ root, name: "app" }, testContext())).toEqual({ name: "app", how: "powered-off" });
    expect(await guest.result).toMatchObject({ outcome: "ok" });
    expect(remains(root)).toEqual([]);
  });

  test("D25: ends a guest that does not listen, and says so", async () => {
    const root = newRoot();
    const guest = run(root, { image: image(root, "deaf", "D wait"), persist: true });
    await guest.shows("wait");
    expect(await stopInstance({ root, name: "deaf", waitMs: 300 }, testContext())).toEqual({
      name: "deaf",
      how: "ended",
    });
    expect(await guest.result).toMatchObject({ outcome: "ok" });
    expect(await listInstances(root)).toMatchObject([{ name: "deaf", status: "stopped" }]);
  });

  test("tidies up after a capstan that was killed, once the guest is stopped", async () => {
    const root = newRoot();
    const guest = run(root, { image: image(root, "app", "D wait") });
    await guest.shows("wait");
    const folder = join(root, "instances/qemu/app");
    const dead = spawn("true");
    const capstan = identify(dead.pid ?? 0);
    await new Promise((resolve) => dead.once("exit", resolve));
    writeFileSync(join(folder, "lock.1"), JSON.stringify({ ...readLock(folder)?.owner, capstan }));
    expect((await listInstances(root))[0]).toMatchObject({ status: "running" });
    expect(await stopInstance({ root, name: "app", waitMs: 100 }, testContext())).toMatchObject({ how: "ended" });
    expect(remains(root)).toEqual([]);
    await guest.result;
  });

  test("one that does not run is told so", async () => {
    const root = newRoot();
    await run(root, { image: image(root, "kept", "P"), persist: true }).result;
    expect(await stopInstance({ root, name: "kept" }, testContext())).toEqual({ name: "kept", how: "not-running" });
  });

  test("D24: an unknown name is an error", async () => {
    const root = newRoot();
    await run(root, { image: image(root, "kept", "P"), persist: true }).result;
    await expect(stopInstance({ root, name: "kepp" }, testContext())).rejects.toMatchObject({
      code: "no-such-instance",
      exitCode: 66,
      message: expect.stringContaining("Did you mean 'kept'?"),
    });
    await expect(stopInstance({ root, name: "../qemu" }, testContext())).rejects.toMatchObject({ exitCode: 64 });
  });
});

describe("delete", () => {
  test("takes a stopped instance away, and refuses a running one", async () => {
    const root = newRoot();
    const guest = run(root, { image: image(root, "app", "wait"), persist: true });
    await guest.shows("wait");
    expect(() => deleteInstance(root, "app")).toThrow(
      expect.objectContaining({ code: "instance-running", exitCode: 73 }),
    );
    guest.interrupt();
    await guest.result;
    deleteInstance(root, "app");
    expect(remains(root)).toEqual([]);
  });

  test.each(["app", "", "..", "/"])("D24: an unknown name, '%s', is an error", (name) => {
    const root = newRoot();
    expect(() => deleteInstance(root, name)).toThrow(expect.objectContaining({ exitCode: name === "app" ? 66 : 64 }));
  });
});
