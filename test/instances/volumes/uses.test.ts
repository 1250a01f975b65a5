import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { instanceFolder } from "../../../src/instances/layout.ts";
import { claim, type Lock, release } from "../../../src/instances/lock.ts";
import { identify } from "../../../src/instances/process-identity.ts";
import { deleteVolume } from "../../../src/instances/volumes/delete.ts";
import { listVolumes } from "../../../src/instances/volumes/list.ts";
import { checkUnused, lockVolumes, volumeUses } from "../../../src/instances/volumes/uses.ts";
import { temporaryFolder } from "../../hypervisors/tiny-guest.ts";

const folder = temporaryFolder();
const volumes = join(folder, "volumes");
mkdirSync(volumes);
let number = 0;

/** A store of its own, so that tests do not meet. */
function newRoot(): string {
  return join(folder, `store-${number++}`);
}

function disk(name: string, readonly = false) {
  const path = join(volumes, name);
  writeFileSync(path, "x", { flag: "a" });
  return { path, format: "raw", aio: "threads", cache: "writeback", readonly } as const;
}

function instance(root: string, name: string, capstan = identify(process.pid)): Lock {
  const owner = { capstan, image: "i", persist: false, started: new Date().toISOString() };
  const result = claim(instanceFolder(root, name), owner);
  if (!result.claimed) throw new Error(`${name} is held`);
  return result.lock;
}

test("two instances cannot have a volume at the same time; then they can, one after the other", async () => {
  const root = newRoot();
  const [a, b] = [instance(root, "a"), instance(root, "b")];
  const free = await lockVolumes({ root, volumes: [disk("v")], lock: a });
  await expect(lockVolumes({ root, volumes: [disk("v")], lock: b })).rejects.toMatchObject({
    code: "volume-in-use",
    exitCode: 73,
    message: `The volume ${join(volumes, "v")} is in use by the instance a`,
  });
  await free();
  await lockVolumes({ root, volumes: [disk("v")], lock: b });
  expect(volumeUses(root)).toMatchObject([{ instance: "b", readonly: false }]);
});

test.each([
  [true, true, true],
  [true, false, false],
  [false, true, false],
])("one reads only: %s, the other: %s, together: %s", async (first, second, together) => {
  const root = newRoot();
  await lockVolumes({ root, volumes: [disk("v", first)], lock: instance(root, "a") });
  const attempt = lockVolumes({ root, volumes: [disk("v", second)], lock: instance(root, "b") });
  await (together ? attempt : expect(attempt).rejects.toMatchObject({ code: "volume-in-use" }));
});

test("whatever path leads to it, it is the same volume", async () => {
  const root = newRoot();
  await lockVolumes({ root, volumes: [disk("target")], lock: instance(root, "a") });
  rmSync(join(volumes, "link"), { force: true });
  symlinkSync("target", join(volumes, "link"));
  const attempt = lockVolumes({ root, volumes: [disk("link")], lock: instance(root, "b") });
  await expect(attempt).rejects.toMatchObject({ code: "volume-in-use" });
});

test("all of them or none", async () => {
  const root = newRoot();
  await lockVolumes({ root, volumes: [disk("two")], lock: instance(root, "a") });
  const b = instance(root, "b");
  await expect(lockVolumes({ root, volumes: [disk("one"), disk("two")], lock: b })).rejects.toThrow("two is in use");
  expect(volumeUses(root).map((use) => use.instance)).toEqual(["a"]);
});

describe("a use ends by itself", () => {
  test("with the run of the instance, though nobody gave it back", async () => {
    const root = newRoot();
    const a = instance(root, "a");
    await lockVolumes({ root, volumes: [disk("v")], lock: a });
    release(a);
    expect(volumeUses(root)).toEqual([]);
    await lockVolumes({ root, volumes: [disk("v")], lock: instance(root, "b") });
  });

  test("a later run of the same name has not got it", async () => {
    const root = newRoot();
    const a = instance(root, "a");
    await lockVolumes({ root, volumes: [disk("v")], lock: a });
    release(a);
    instance(root, "a", identify(process.ppid));
    await lockVolumes({ root, volumes: [disk("v")], lock: instance(root, "b") });
  });
});

test("of many that come at once, one gets it", async () => {
  const root = newRoot();
  const locks = Array.from({ length: 12 }, (_, index) => instance(root, `i${index}`));
  const results = await Promise.allSettled(locks.map((lock) => lockVolumes({ root, volumes: [disk("v")], lock })));
  expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
});

test.each([
  "",
  "{",
  "[]",
  "[1, null, {}]",
  '[{"disk":"x","instance":"../../etc","owner":{"pid":5,"start":"y"}}]',
  "\0\xff",
])("a list that is damaged (%j) counts as empty", async (text) => {
  const root = newRoot();
  mkdirSync(join(root, "cache"), { recursive: true });
  writeFileSync(join(root, "cache", "volumes.json"), text);
  expect(volumeUses(root)).toEqual([]);
  await lockVolumes({ root, volumes: [disk("v")], lock: instance(root, "a") });
  expect(volumeUses(root)).toHaveLength(1);
});

test("one in use is listed so, and not deleted", async () => {
  const root = newRoot();
  const lock = instance(root, "a");
  await lockVolumes({ root, volumes: [disk("v")], lock });
  expect(listVolumes(folder, root).find(({ name }) => name === "v")).toMatchObject({ instances: ["a"] });
  expect(() => deleteVolume(folder, "v", root)).toThrow(expect.objectContaining({ code: "volume-in-use" }));
  release(lock);
  checkUnused(root, join(volumes, "v"));
  deleteVolume(folder, "v", root);
});
