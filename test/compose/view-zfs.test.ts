import { readFileSync, readlinkSync, statSync, truncateSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { planZfs, writeZfs } from "../../src/filesystems/zfs/writer.ts";
import { patterned, tree } from "../filesystems/trees.ts";
import { MemoryDevice } from "../support/memory-device.ts";
import { Sandbox } from "../support/sandbox.ts";

const MiB = 1024 * 1024;
const START = 2 * MiB;
const sandbox = new Sandbox();
const big = patterned(400_000, 1);

/** A disk with a pool in partition 2 and no loader. */
beforeAll(async () => {
  const root = tree({ bin: { app: big }, etc: { hosts: "127.0.0.1 localhost\n", link: ["hosts"] }, empty: {} });
  const plan = planZfs(root, { size: 64 * MiB, root: "osv/zfs", timestamp: 1_700_000_000 });
  const pool = new MemoryDevice(new Uint8Array(plan.size));
  await writeZfs(plan, pool);
  const record = Buffer.alloc(512);
  record.set([0, 0, 2, 0, 0x83], 0x1ce);
  record.writeUInt32LE(START / 512, 0x1ce + 8);
  record.writeUInt32LE(plan.size / 512, 0x1ce + 12);
  record.set([0x55, 0xaa], 510);
  sandbox.write({ "pool.raw": Buffer.concat([record, Buffer.alloc(START - 512), pool.bytes]) });
});

afterAll(() => sandbox.remove());

test("ls, tree and cat", async () => {
  expect(await sandbox.ok(["image", "ls", "./pool.raw", "/etc"])).toMatch(/^ +20 {2}hosts\n +- {2}link -> hosts\n$/);
  expect(await sandbox.ok(["image", "tree", "./pool.raw", "/bin"])).toBe("/bin\n└── app (391 KiB)\n");
  expect(await sandbox.ok(["image", "cat", "./pool.raw", "/etc/link"])).toBe("127.0.0.1 localhost\n");
});

test("cp", async () => {
  await sandbox.ok(["image", "cp", "./pool.raw", "/", "whole"]);
  expect(readFileSync(sandbox.path("whole", "bin", "app")).equals(big)).toBe(true);
  expect(readlinkSync(sandbox.path("whole", "etc", "link"))).toBe("hosts");
  expect(statSync(sandbox.path("whole", "empty")).isDirectory()).toBe(true);
});

test("inspect tells which file system of the pool is the root", async () => {
  const value = JSON.parse(await sandbox.ok(["image", "inspect", "./pool.raw", "--verify", "--json"]));
  expect(value.root).toEqual({
    ...{ filesystem: "zfs", size: 62390272, files: 2, links: 1, directories: 3, contentSize: 400_020 },
    pool: { name: "osv", version: 5000, transaction: 16, root: "osv/zfs", fileSystems: ["osv", "osv/zfs"] },
  });
  // The only fault is that there is no loader.
  expect(value.problems).toEqual([expect.stringContaining("kernel")]);
  expect(await sandbox.ok(["image", "inspect", "./pool.raw"])).toContain("shown is osv/zfs; it has osv as well\n");
});

test("damage is told, by --verify also that of contents", async () => {
  const bytes = readFileSync(sandbox.path("pool.raw"));
  const at = bytes.indexOf(big.subarray(0, 512));
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  sandbox.write({ "damaged.raw": bytes });
  const problems = async (...flags: readonly string[]): Promise<readonly string[]> =>
    JSON.parse(await sandbox.ok(["image", "inspect", "./damaged.raw", "--json", ...flags])).problems;
  expect(await problems()).toHaveLength(1);
  expect(await problems("--verify")).toContainEqual(expect.stringContaining("wrong checksum"));
  expect((await sandbox.run(["image", "cat", "./damaged.raw", "/bin/app"])).code).toBe(65);
});

test("a pool that is cut off is told as damaged", async () => {
  sandbox.write({ "short.raw": readFileSync(sandbox.path("pool.raw")) });
  truncateSync(sandbox.path("short.raw"), START + 10 * MiB);
  const { problems } = JSON.parse(await sandbox.ok(["image", "inspect", "./short.raw", "--json"]));
  expect(problems.length).toBeGreaterThan(1);
});
