import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { identify } from "../../src/instances/process-identity.ts";
import { GuestServer } from "../support/guest-server.ts";
import { Sandbox } from "../support/sandbox.ts";

const sandbox = new Sandbox();
const server = new GuestServer();
const folder = sandbox.path("store/instances/qemu/web");
let port = 0;

/** An instance that this process seems to run: what the commands reach is a stand-in for its guest. */
beforeAll(async () => {
  port = await server.start();
  mkdirSync(folder, { recursive: true });
});
beforeEach(() => {
  const owner = { capstan: identify(process.pid), image: "web", persist: false, started: "2026-01-02T03:04:05Z" };
  writeFileSync(`${folder}/lock.1`, JSON.stringify(owner));
  writeFileSync(
    `${folder}/state.json`,
    JSON.stringify({
      ...{ version: 1, state: "running", restarts: 0, times: { created: 1, asked: 1 } },
      forwards: [{ protocol: "tcp", address: "127.0.0.1", hostPort: port, guestPort: 8000 }],
    }),
  );
  server.files.clear();
  for (const path of ["/", "/etc", "/tmp"]) server.files.set(path, undefined);
  server.files.set("/etc/hosts", Buffer.from("127.0.0.1 localhost\n"));
});
afterEach(() => {
  server.answer = undefined;
});
afterAll(() => {
  server.stop();
  sandbox.remove();
});

test("$ capstan guest info", async () => {
  expect(await sandbox.json(["guest", "info", "web"])).toEqual({
    ...{ os: "OSv", version: "v0.57.0-398-g0e34e4dc", hostname: "", uptime: 9, processors: 2 },
    ...{ memoryTotal: 536_000_000, memoryFree: 514_285_568, commandLine: "/libhttpserver-api.so" },
    addresses: [{ interface: "eth0", address: "10.0.2.15" }],
    filesystems: [{ mount: "/", device: "/dev/vblk0.1", size: 6797 * 512, free: 0 }],
  });
  const text = await sandbox.ok(["guest", "info", "web"]);
  expect(text).toMatch(/^System: +OSv v0\.57\.0-398-g0e34e4dc$/m);
  expect(text).toMatch(/^Up for: +9s$/m);
});

test("$ capstan guest env", async () => {
  expect(await sandbox.json(["guest", "env", "web"])).toEqual(["A=b", "OSV_CPUS=2"]);
  expect(await sandbox.ok(["guest", "env", "web"])).toBe("A=b\nOSV_CPUS=2\n");
});

test("$ capstan guest ls", async () => {
  const hosts = { name: "hosts", type: "file", size: 20, mode: 0o644, mtime: 5, target: "" };
  expect(await sandbox.json(["guest", "ls", "web", "/etc"])).toEqual([hosts]);
  expect(await sandbox.ok(["guest", "ls", "web", "/etc"])).toMatch(/^-rw-r--r-- +20 +1970-01-01 00:00 +hosts$/m);
  expect(await sandbox.ok(["guest", "ls", "web"])).toMatch(/^drw-r--r-- .* etc\/$/m);
  expect(await sandbox.run(["guest", "ls", "web", "/no"])).toMatchObject({ code: 66, stdout: "" });
});

test("$ capstan guest cp", async () => {
  expect(await sandbox.json(["guest", "cp", "web:/etc", "out"])).toEqual({ files: 1, bytes: 20 });
  expect(readFileSync(sandbox.path("out/hosts"), "utf8")).toBe("127.0.0.1 localhost\n");
  sandbox.write({ new: "new content" });
  const copied = await sandbox.run(["guest", "cp", "new", "web:/tmp/"]);
  expect(copied).toMatchObject({ code: 0, stdout: "", stderr: "Copied 1 file, 11 B\n" });
  expect(server.files.get("/tmp/new")?.toString()).toBe("new content");
});

test("$ capstan guest top", async () => {
  const thread = { id: 31, name: "/server", cpu: 0, percent: 0, cpuMs: 118, status: "running" };
  expect(await sandbox.json(["guest", "top", "web", "-d", "0.1"])).toEqual([thread]);
  expect(await sandbox.ok(["guest", "top", "web", "-d", "0.1"])).toMatch(/^31 +0 +0\.0 +0\.12 +running +\/server$/m);
});

test.each([
  [["env", "nobody"], 66, "There is no instance nobody"],
  [["env", "web", "--port", "0"], 64, "--port '0' is not a port"],
  [["env", "web", "--port", "9000"], 69, "Port 9000 of web cannot be reached"],
  [["top", "web", "-d", "0"], 64, "--delay '0'"],
  [["cp", "a", "b"], 64, "Neither of the two is in a guest"],
  [["cp", "web:/a", "web:/b"], 64, "Both are in guests"],
  [["cp", "none", "web:/tmp"], 66, "does not exist"],
])("refuse %j", async (args, code, text) => {
  expect(await sandbox.run(["guest", ...args])).toMatchObject({ code, stderr: expect.stringContaining(text) });
});

test("a guest that ends meanwhile is told as such, and so is one that has ended", async () => {
  server.answer = (_request, response) => {
    rmSync(`${folder}/lock.1`, { force: true });
    response.destroy();
    return true;
  };
  for (const _ of ["meanwhile", "before"]) {
    const { code, stderr } = await sandbox.run(["guest", "info", "web"]);
    expect([code, stderr]).toEqual([69, expect.stringContaining("The instance web is not running")]);
  }
});

test("what a hostile guest says cannot steer the terminal", async () => {
  server.answer = (_request, response) => {
    response.end(JSON.stringify(["A=\u001b[2J\u009b1m"]));
    return true;
  };
  const text = await sandbox.ok(["guest", "env", "web"]);
  for (const control of ["\u001b", "\u009b"]) expect(text).not.toContain(control);
  expect(text.split("\n")).toHaveLength(2);
});
