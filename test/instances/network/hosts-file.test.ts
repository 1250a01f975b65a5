import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { getBootArgs } from "../../../src/disks/boot-args.ts";
import { readPartitionTable, setRootPartition } from "../../../src/disks/mbr.ts";
import { openDisk } from "../../../src/disks/probe.ts";
import { createRaw } from "../../../src/disks/raw.ts";
import { findReplaceable } from "../../../src/filesystems/rofs/replace.ts";
import { planRofs, writeRofs } from "../../../src/filesystems/rofs/writer.ts";
import { hostNameOf } from "../../../src/instances/network/host-names.ts";
import { HOSTS_ROOM, hostsText, writeHosts } from "../../../src/instances/network/hosts-file.ts";
import { createOverlay } from "../../../src/instances/overlay.ts";
import { changeInPlace } from "../../../src/instances/overlay-in-place.ts";
import { type SketchFolder, tree } from "../../filesystems/trees.ts";
import { temporaryFolder } from "../../hypervisors/tiny-guest.ts";
import { lacksProgram, testUnless } from "../../support/machine.ts";
import { MemoryDevice } from "../../support/memory-device.ts";

const START = 2 << 20;
const web = { address: "10.128.0.5", names: ["web", "www"] };
const db = { address: "10.128.0.6", names: ["db"] };

/** A disk with a root file system, as images are. */
async function image(sketch: SketchFolder): Promise<string> {
  const plan = planRofs(tree(sketch));
  const path = join(temporaryFolder(), "image");
  const disk = createRaw(path, { size: START + plan.size });
  const memory = new MemoryDevice(plan.size);
  await writeRofs(plan, memory);
  disk.write(memory.bytes, START);
  setRootPartition(disk, { start: START, size: plan.size });
  disk.flush();
  disk.close();
  return path;
}

function overlay(base: string, entries: readonly (typeof web)[]): { path: string; done: boolean } {
  const path = join(temporaryFolder(), "disk.qcow2");
  let done = false;
  const write = (disk: Parameters<typeof writeHosts>[0], start: number) => {
    done = writeHosts(disk, entries, { start });
  };
  createOverlay({ path, base, durable: false, commandLine: () => "/hello", change: { room: HOSTS_ROOM, write } });
  return { path, done };
}

function again(path: string, entries: readonly (typeof web)[]): boolean {
  let done = false;
  changeInPlace(path, (disk) => {
    done = writeHosts(disk, entries, undefined);
  });
  return done;
}

/** As a guest reads it: through the partition, whose end is the end. */
function hostsOf(path: string): string | undefined {
  const disk = openDisk(path);
  try {
    const root = readPartitionTable(disk.device).find(({ number }) => number === 2);
    if (root === undefined || root.start + root.size > disk.device.size) return undefined;
    const bytes = Buffer.alloc(root.size);
    disk.device.read(bytes, root.start);
    const file = findReplaceable(new MemoryDevice(bytes), "/etc/hosts");
    return file && bytes.toString("latin1", file.offset, file.offset + file.size);
  } finally {
    disk.close();
  }
}

describe("names in a guest's /etc/hosts", () => {
  test("are there in its own disk, and not in the image", async () => {
    const base = await image({ etc: { hosts: "127.0.0.1 localhost\n" } });
    const { path, done } = overlay(base, [web, db]);
    expect(done).toBe(true);
    expect(hostsOf(path)).toBe(
      "127.0.0.1 localhost\n# The networks of this instance:\n10.128.0.5 web www\n10.128.0.6 db\n",
    );
    expect(hostsOf(base)).toBe("127.0.0.1 localhost\n");
  });

  test("are others at the next start of the same disk, which does not grow", async () => {
    const { path } = overlay(await image({ etc: { hosts: "127.0.0.1 localhost" } }), [web, db]);
    expect(again(path, [db])).toBe(true);
    expect(hostsOf(path)).toBe("127.0.0.1 localhost\n# The networks of this instance:\n10.128.0.6 db\n");
    expect(again(path, [])).toBe(true);
    expect(hostsOf(path)).toBe("127.0.0.1 localhost\n# The networks of this instance:\n");
    const disk = openDisk(path);
    expect(getBootArgs(disk.device)).toBe("/hello");
    disk.close();
  });

  testUnless(lacksProgram("qemu-img"))("leave a disk that qemu-img finds sound", async () => {
    const { path } = overlay(await image({ etc: { hosts: "" }, big: "x".repeat(200_000) }), [web, db]);
    again(path, [db, web]);
    expect(execFileSync("qemu-img", ["check", path], { encoding: "utf8" })).toContain("No errors were found");
  });

  test.each<[string, SketchFolder]>([
    ["no such file", { etc: { host: "" } }],
    ["a folder in its place", { etc: { hosts: {} } }],
    ["a link in its place", { etc: { hosts: ["other"] } }],
    ["a file that is far too long", { etc: { hosts: "x".repeat(HOSTS_ROOM) } }],
  ])("an image with %s is left as it is", async (_, sketch) => {
    const { path, done } = overlay(await image(sketch), [web]);
    expect(done).toBe(false);
    expect(again(path, [web])).toBe(false);
  });

  test("a disk that was made without room for them is left as it is", async () => {
    const path = join(temporaryFolder(), "disk.qcow2");
    createOverlay({
      path,
      base: await image({ etc: { hosts: "own\n" } }),
      durable: false,
      commandLine: () => "/hello",
    });
    expect(again(path, [web])).toBe(false);
    expect(hostsOf(path)).toBe("own\n");
  });
});

test("more names than there is room for are cut between lines", () => {
  const many = Array.from({ length: 5000 }, (_, index) => ({ address: "10.128.0.5", names: [`name-${index}`] }));
  const text = hostsText("own\n", many);
  expect(text.length).toBeLessThanOrEqual(HOSTS_ROOM);
  expect(text.endsWith("\n")).toBe(true);
  expect(text).toContain("name-1000\n");
});

test.each([
  ["web", "web"],
  ["Web 2", "web-2"],
  ["web_1.x", "web_1.x"],
  ["Bücher+Café", "b-cher-caf"],
  ["x".repeat(100), "x".repeat(63)],
  ["日本", undefined],
])("the instance %s is called %s by others", (instance, name) => {
  expect(hostNameOf(instance)).toBe(name);
});
