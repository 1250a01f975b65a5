import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import { readLock } from "../../../../src/instances/lock.ts";
import { joinHub, networkMembers } from "../../../../src/instances/network/hub/client.ts";
import { join as joinNetwork, type Membership } from "../../../../src/instances/network/hub/membership.ts";
import { networkFolder } from "../../../../src/instances/network/hub/place.ts";
import { hubProgram } from "../../../../src/instances/network/hub/program.ts";
import { temporaryFolder, testContext } from "../../../hypervisors/tiny-guest.ts";
import { EVERYBODY, frame, StandInMachine } from "./machine.ts";

const ends: (() => void)[] = [];
let number = 0;

afterEach(() => {
  for (const end of ends.splice(0)) end();
});

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await isSo()); tries++) {
    if (tries > 2000) throw new Error("it does not happen");
    await delay(10);
  }
}

function hubPid(root: string): number | undefined {
  return readLock(networkFolder(root, "lab"))?.owner?.capstan.pid;
}

function isAlive(pid: number | undefined): boolean {
  try {
    return pid !== undefined && process.kill(pid, 0) && !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
  } catch {
    return false;
  }
}

async function member(root: string, name: string): Promise<{ machine: StandInMachine; membership: Membership }> {
  const machine = await new StandInMachine(join(root, `${name}-${number++}`)).listen();
  const { reporter, signal } = testContext();
  const request = { name, names: [name], socket: machine.socket, fixed: false, outside: false };
  const access = { root, network: "lab", hubProgram: hubProgram(), env: process.env, signal };
  const membership = await joinNetwork({ ...access, reporter, request });
  ends.push(() => {
    membership.leave();
    machine.end();
  });
  await machine.connected();
  return { machine, membership };
}

describe("the hub's process", () => {
  test("is started by the first, found by the others, and gone with the last, with all that it made", async () => {
    const root = temporaryFolder();
    const members = await Promise.all(["a", "b", "c", "d", "e", "f"].map((name) => member(root, name)));
    const pid = hubPid(root);
    expect(isAlive(pid)).toBe(true);
    expect(new Set(members.map(({ membership }) => membership.address)).size).toBe(6);
    expect((await networkMembers(root, "lab"))?.map(({ name }) => name).sort()).toEqual(["a", "b", "c", "d", "e", "f"]);
    members[0]?.machine.send(frame(EVERYBODY, "02:00:00:00:00:0a", "hello"));
    await Promise.all(members.slice(1).map(({ machine }) => machine.got("hello")));
    for (const end of ends.splice(0)) end();
    await until(() => !isAlive(pid));
    expect(readdirSync(join(root, "networks"))).toEqual([]);
    expect(await networkMembers(root, "lab")).toBeUndefined();
  });

  test.each<[string, (root: string, pid: number) => void]>([
    ["is killed", (_, pid) => process.kill(pid, "SIGKILL")],
    ["loses its folder", (root) => rmSync(networkFolder(root, "lab"), { recursive: true })],
  ])("when it %s, the next one takes over, and all keep their addresses", async (_, harm) => {
    const root = temporaryFolder();
    const [a, b] = [await member(root, "a"), await member(root, "b")];
    const pid = hubPid(root);
    harm(root, pid ?? 0);
    const connections = () => [a, b].map(({ machine }) => machine.connections);
    await until(() => connections().every((count) => count === 2) && b.machine.wire !== undefined);
    await until(async () => (await networkMembers(root, "lab"))?.every(({ connected }) => connected) === true);
    expect(hubPid(root)).not.toBe(pid);
    a.machine.send(frame(EVERYBODY, "02:00:00:00:00:0a", "again"));
    await b.machine.got("again");
    const addresses = (await networkMembers(root, "lab"))?.map(({ name, address }) => [name, address]).sort();
    expect(addresses).toEqual([
      ["a", a.membership.address],
      ["b", b.membership.address],
    ]);
    await until(() => !isAlive(pid));
  });

  test("goes on where one that was killed has left its folder", async () => {
    const root = temporaryFolder();
    const { membership, machine } = await member(root, "a");
    const pid = hubPid(root) ?? 0;
    membership.leave();
    machine.end();
    process.kill(pid, "SIGKILL");
    await until(() => !isAlive(pid));
    expect(existsSync(networkFolder(root, "lab"))).toBe(true);
    await member(root, "b");
    expect((await networkMembers(root, "lab"))?.map(({ name }) => name)).toEqual(["b"]);
  });

  test("works where the folder's path is too long for a socket", async () => {
    const root = join(temporaryFolder(), "x".repeat(120));
    const machine = await new StandInMachine(join(temporaryFolder(), "m")).listen();
    const request = { name: "a", names: ["a"], socket: machine.socket, fixed: false, outside: false };
    const joined = await joinHub({ root, network: "lab", hubProgram: hubProgram(), env: process.env }, request);
    await machine.connected();
    machine.end();
    joined.connection.destroy();
    await until(() => readdirSync(join(root, "networks")).length === 0);
  });

  test("one that does not start is told, with where to look", async () => {
    const root = temporaryFolder();
    const request = { name: "a", names: [], socket: "/nowhere", fixed: false, outside: false };
    const access = { root, network: "lab", hubProgram: ["/nowhere/hub"], env: process.env };
    await expect(joinHub(access, request)).rejects.toMatchObject({
      code: "network-unavailable",
      exitCode: 69,
      hint: expect.stringContaining("hub.log"),
    });
  });
});
