import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseNetwork } from "../../../src/instances/network/choice.ts";
import { networkMembers } from "../../../src/instances/network/hub/client.ts";
import { networkFolder } from "../../../src/instances/network/hub/place.ts";
import { pruneNetworks } from "../../../src/instances/network/hub/prune.ts";
import { foreseeNetworks, type NetworksInput, prepareNetworks } from "../../../src/instances/network/prepare.ts";
import { identify } from "../../../src/instances/process-identity.ts";
import { temporaryFolder, testContext } from "../../hypervisors/tiny-guest.ts";

function input(networks: readonly string[], changes: Partial<NetworksInput> = {}): NetworksInput {
  const root = changes.root ?? temporaryFolder();
  return {
    root,
    name: "web",
    folder: join(root, "instances/qemu/web"),
    place: "here",
    config: { networks: networks.map(parseNetwork), forwards: [] },
    capabilities: { streamNetdev: true },
    host: { platform: "linux", uid: 1000, root },
    ...changes,
  };
}

test("the cards that a dry run shows: each with an address of its own, and nothing made", () => {
  const wanted = input(["lab", "nat", "other,mac=52:54:00:00:00:01", "bridge:br0,ip=192.0.2.9/24"]);
  const { cards, loaderOptions } = foreseeNetworks(wanted, { CAPSTAN_QEMU_BRIDGE_HELPER: "/helper" });
  expect(cards.map(({ network }) => network)).toEqual([
    { kind: "wire", socket: join(wanted.folder, "net0") },
    { kind: "user", forwards: [], net: "192.168.122.0/24", host: "192.168.122.1" },
    { kind: "wire", socket: join(wanted.folder, "net2") },
    { kind: "bridge", bridge: "br0", helper: "/helper" },
  ]);
  expect(new Set(cards.map(({ mac }) => mac)).size).toBe(4);
  expect(cards[2]?.mac).toBe("52:54:00:00:00:01");
  expect(loaderOptions).toEqual([]);
  expect(readdirSync(wanted.root)).toEqual([]);
});

test("a card's own address is the same at every start, and another one for another instance", () => {
  const macs = (name: string) => foreseeNetworks({ ...input(["lab", "other"]), name }, {}).cards.map(({ mac }) => mac);
  expect(macs("web")).toEqual(macs("web"));
  expect(new Set([...macs("web"), ...macs("db")]).size).toBe(4);
});

test("--mac is that of the first card", () => {
  const config = { networks: [parseNetwork("lab"), parseNetwork("nat")], forwards: [], mac: "52:54:00:00:00:07" };
  const [first, second] = foreseeNetworks(input([], { config }), {}).cards;
  expect(first?.mac).toBe("52:54:00:00:00:07");
  expect(second?.mac).not.toBe("52:54:00:00:00:07");
});

test("a QEMU that is too old is told before anything is started", async () => {
  const old = input(["lab"], { capabilities: { streamNetdev: false } });
  await expect(prepareNetworks(old, testContext())).rejects.toMatchObject({
    code: "network-unavailable",
    exitCode: 69,
    message: expect.stringContaining("7.2"),
  });
  expect(existsSync(networkFolder(old.root, "lab"))).toBe(false);
});

test("a device that is missing is told before a network is joined", async () => {
  const wanted = input(["lab", "bridge:br0,ip=192.0.2.9/24"]);
  await expect(prepareNetworks(wanted, testContext())).rejects.toMatchObject({ code: "bridge-missing" });
  expect(existsSync(networkFolder(wanted.root, "lab"))).toBe(false);
});

test("what is joined is left again, at the end or when the next one cannot be joined", async () => {
  const root = temporaryFolder();
  const first = await prepareNetworks(input(["two"], { root, name: "first" }), testContext());
  const address = first.hosts[0]?.address;
  expect(first.loaderOptions[0]).toBe(`--ip=eth0,${address},255.255.255.0`);
  const refused = prepareNetworks(input(["one", `two,ip=${address}`], { root }), testContext());
  await expect(refused).rejects.toMatchObject({ code: "address-taken", exitCode: 73 });
  const second = await prepareNetworks(input(["two", "nat"], { root }), testContext());
  expect(second.hosts.map(({ names }) => names)).toEqual([["first"], ["web"]]);
  expect((await networkMembers(root, "one")) ?? []).toEqual([]);
  for (const one of [first, second, second]) one.leave();
  for (let tries = 0; readdirSync(join(root, "networks")).length > 0 && tries < 2000; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  expect(readdirSync(join(root, "networks"))).toEqual([]);
});

test("pruning removes what hubs that were killed have left, and nothing of others", () => {
  const root = temporaryFolder();
  const owner = (pid: number, start?: string) => ({
    capstan: start === undefined ? identify(pid) : { pid, start },
    image: "",
    persist: false,
    started: "",
  });
  const { start } = identify(process.pid);
  const locks = { dead: owner(process.pid, `${start}0`), alive: owner(process.ppid) };
  for (const [name, lock] of Object.entries(locks)) {
    mkdirSync(networkFolder(root, name), { recursive: true });
    writeFileSync(join(networkFolder(root, name), "lock.1"), JSON.stringify(lock));
  }
  for (const name of ["starting", ".gone-0011"]) mkdirSync(networkFolder(root, name));
  expect(pruneNetworks(root)).toEqual(["dead"]);
  expect(readdirSync(join(root, "networks")).sort()).toEqual(["alive", "starting"]);
  expect(pruneNetworks(temporaryFolder())).toEqual([]);
});
