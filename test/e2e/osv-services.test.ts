import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { lacksGuests } from "../support/guest.ts";
import { describeUnless } from "../support/machine.ts";
import { Sandbox } from "../support/sandbox.ts";

const { CAPSTAN_TEST_LOADER: loader, CAPSTAN_TEST_KERNEL: kernel, CAPSTAN_TEST_REST_IMAGE: rest } = process.env;

function lacksOsv(...files: readonly (string | undefined)[]): string | undefined {
  if (files.includes(undefined))
    return "set CAPSTAN_TEST_LOADER and CAPSTAN_TEST_KERNEL to a loader image and its kernel";
  return lacksGuests() ?? files.filter((path) => !existsSync(path ?? "")).map((path) => `${path} is not there`)[0];
}

const python = "/usr/bin/python3";
const lacking = lacksOsv(loader, kernel) ?? (existsSync(python) ? undefined : `${python} is not there`);
const lacksRest =
  rest === undefined ? "set CAPSTAN_TEST_REST_IMAGE to an image with OSv's REST server" : lacksOsv(rest);

const sandbox = new Sandbox();
const cwd = sandbox.path("shop");

/** Counts, one number for each connection. */
const COUNTER = `
import socket
server = socket.create_server(("", 7000))
print("counting", flush=True)
count = 0
while True:
    connection, _ = server.accept()
    with connection:
        line = connection.makefile().readline()
        if line == "next\\n":
            count += 1
            connection.sendall(b"%d\\n" % count)
`;

/** Asks the counter, by its name, at each request. */
const WEB = `
import os, socket
from http.server import BaseHTTPRequestHandler, HTTPServer

def count():
    with socket.create_connection(("counter", 7000), 20) as connection:
        connection.sendall(b"next\\n")
        return connection.makefile().readline().strip()

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        text = "%s %s\\n" % (os.environ["GREETING"], count() if self.path == "/count" else "is well")
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text.encode())
    def log_message(self, *args):
        pass

print("serving", flush=True)
HTTPServer(("", 8080), Handler).serve_forever()
`;

const FILE = `services:
  web:
    build: { context: web.py, interpreter: ${python} }
    env_file: web.env
    ports: ["127.0.0.1::8080"]
    depends_on: { counter: { condition: service_healthy } }
    healthcheck: { test: "http:8080/", interval: 1s, timeout: 20s, retries: 100 }
    scale: 2
    mem_limit: 256M
    cpus: 1
  counter:
    build: { context: counter.py, interpreter: ${python} }
    healthcheck: { test: "tcp:7000", interval: 1s, retries: 100 }
    mem_limit: 256M
    cpus: 1
`;

interface Listed {
  readonly name: string;
  readonly status: string;
  readonly health?: string;
  readonly ports: readonly string[];
}

const list = async () => await sandbox.json<Listed[]>(["ps", "-f", `${cwd}/capstan.yaml`]);

function get(port: number, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: "127.0.0.1", port, path, timeout: 30_000 }, async (response) => {
      let text = "";
      for await (const chunk of response) text += chunk;
      resolve(text);
    });
    sent.once("timeout", () => sent.destroy(new Error("no answer")));
    sent.once("error", reject);
    sent.end();
  });
}

afterAll(async () => {
  if (existsSync(sandbox.store)) {
    for (const { name } of await sandbox.json<Listed[]>(["instances"])) await sandbox.run(["delete", "-f", name]);
  }
  sandbox.remove();
});

describeUnless(lacking)("services on a real OSv", () => {
  beforeAll(async () => {
    await sandbox.ok(["import", "osv-loader", loader ?? "", "--kernel", kernel ?? ""]);
    sandbox.write({ "web.py": WEB, "counter.py": COUNTER, "web.env": "GREETING='it is'\n", "capstan.yaml": FILE }, cwd);
  });

  test("start in their order, find each other by name, are scaled, changed and taken down", async () => {
    const { code, stderr } = await sandbox.run(["up", "-d", "--wait", "--wait-timeout", "5m"], { cwd });
    expect([code, code === 0 ? "" : stderr]).toEqual([0, ""]);
    const said = ["web waits for counter (service_healthy)", "shop-web-1: created", "shop-web-2: created"];
    expect(said.map((text) => stderr.indexOf(text)).every((at, index, all) => at > (all[index - 1] ?? 0))).toBe(true);

    const instances = await list();
    expect(instances.map(({ name, status, health }) => [name, status, health])).toEqual(
      ["shop-counter-1", "shop-web-1", "shop-web-2"].map((name) => [name, "running", "healthy"]),
    );
    const ports = instances.slice(1).map((it) => Number(/^127\.0\.0\.1:(\d+):8080$/.exec(it.ports[0] ?? "")?.[1]));
    const answers: string[] = [];
    for (const port of [...ports, ...ports]) answers.push(await get(port, "/count"));
    expect(answers).toEqual([1, 2, 3, 4].map((count) => `it is ${count}\n`));
    expect(await sandbox.ok(["logs", "web"], { cwd })).toMatch(/^shop-web-2 +\| serving\r?$/m);
    expect(await sandbox.ok(["logs", "web"], { cwd })).not.toContain("counting");

    writeFileSync(`${cwd}/web.env`, "GREETING=now\n");
    const changed = await sandbox.json<{ name: string; change: string }[]>(
      ["up", "-d", "--wait", "--wait-timeout", "5m", "--scale", "web=1"],
      { cwd },
    );
    expect(changed.map(({ name, change }) => `${name} ${change}`).sort()).toEqual([
      "shop-counter-1 unchanged",
      "shop-web-1 recreated",
      "shop-web-2 removed",
    ]);
    const [, web] = await list();
    expect(await get(Number(web?.ports[0]?.split(":")[1]), "/count")).toBe("now 5\n");

    expect(await sandbox.json(["down"], { cwd })).toHaveLength(2);
    expect(await list()).toEqual([]);
  }, 600_000);
});

describe("guest control of a real OSv", () => {
  const image = rest ?? "";
  const guest = (...args: readonly string[]) => sandbox.run(["guest", ...args]);

  describeUnless(lacksRest)("with its REST server", () => {
    beforeAll(async () => {
      const direct = kernel === undefined ? [] : ["--kernel", kernel];
      await sandbox.ok(["import", "rest", image, ...direct]);
      await start("api");
      await start("open", "-f", "127.0.0.1::8000");
    }, 240_000);

    async function start(name: string, ...flags: readonly string[]): Promise<void> {
      await sandbox.ok(["run", "-d", "--name", name, "-m", "256M", "-c", "1", ...flags, "rest"]);
      // Without a forwarded port, there is nothing to wait for but the server itself.
      for (let tries = 0; (await guest("env", name)).code !== 0; tries++) {
        if (tries === 60) throw new Error(`the REST server of ${name} does not answer`);
        await delay(1000);
      }
    }

    test.each(["api", "open"])(
      "info, env and top of %s",
      async (name) => {
        const info = await sandbox.json<Record<string, unknown>>(["guest", "info", name]);
        expect(info).toMatchObject({ os: "OSv", version: expect.stringMatching(/^v\d/), processors: 1 });
        expect(info.memoryTotal).toBeGreaterThan(200 * 2 ** 20);
        expect(info.addresses).toContainEqual({ interface: "eth0", address: "192.168.122.15" });
        expect(await sandbox.json(["guest", "env", name])).toContain("OSV_CPUS=1");
        const threads = await sandbox.json<{ name: string }[]>(["guest", "top", name, "-d", "0.2"]);
        expect(threads.map((thread) => thread.name)).toContain("idle0");
      },
      60_000,
    );

    test("files go in and out, byte for byte, and no port stays forwarded", async () => {
      const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7919) >> 3));
      sandbox.write({ data: bytes, empty: "" });
      await sandbox.ok(["guest", "cp", "data", "api:/tmp/"]);
      await sandbox.ok(["guest", "cp", "data", "api:/tmp/other name"]);
      await sandbox.ok(["guest", "cp", "empty", "api:/tmp/empty"]);
      expect(
        (await sandbox.json<{ name: string; size: number }[]>(["guest", "ls", "api", "/tmp"])).sort(bySize),
      ).toMatchObject([{ name: "empty", size: 0 }, { size: bytes.length }, { size: bytes.length }]);
      await sandbox.ok(["guest", "cp", "api:/tmp", "copied"]);
      expect(sandbox.files("copied")).toEqual(["data", "empty", "other name"]);
      expect(readFileSync(sandbox.path("copied/other name")).equals(bytes)).toBe(true);
      await sandbox.ok(["guest", "cp", "api:/etc/hosts", "hosts"]);
      const hosts = await sandbox.ok(["image", "cat", "rest", "/etc/hosts"]);
      expect(readFileSync(sandbox.path("hosts"), "utf8")).toContain(hosts.trim());
      expect((await sandbox.json<Listed[]>(["ps"])).find(({ name }) => name === "api")?.ports).toEqual([]);
    }, 120_000);

    test.each([
      [["ls", "api", "/nope"], 66, "There is no /nope in the guest"],
      [["cp", "api:/nope", "x"], 66, "There is no /nope in the guest"],
      [["cp", "api:/dev/random", "x"], 65, "devices"],
      [["cp", "hosts", "api:/usr/"], 73, "the guest cannot write in /usr"],
      [["cp", "hosts", "api:/nope/x"], 66, "There is no /nope in the guest"],
      [["info", "api", "--port", "9"], 69, "does not answer"],
    ])(
      "%j is refused, and the server goes on",
      async (args, code, text) => {
        sandbox.write({ hosts: "127.0.0.1 localhost\n" });
        const refused = await guest(...args);
        expect([refused.code, refused.stderr]).toEqual([code, expect.stringContaining(text)]);
        expect((await guest("env", "api")).code).toBe(0);
      },
      60_000,
    );

    test("several at once are served", async () => {
      const all = await Promise.all(["info", "env", "ls", "top"].map((what) => guest(what, "api")));
      expect(all.map(({ code, stderr }) => (code === 0 ? "" : stderr))).toEqual(["", "", "", ""]);
    }, 60_000);

    test("one that stands still, one that ends meanwhile, and one that is gone", async () => {
      await sandbox.ok(["pause", "open"]);
      expect((await guest("env", "open")).stderr).toContain("The instance open is paused");
      await sandbox.ok(["resume", "open"]);
      const top = guest("top", "open", "-d", "5");
      await delay(1500);
      await sandbox.ok(["kill", "open"]);
      const ended = await top;
      expect([ended.code, ended.stderr]).toEqual([69, expect.stringContaining("The instance open is not running")]);
      await sandbox.ok(["delete", "open"]);
      expect((await guest("env", "open")).code).toBe(66);
    }, 60_000);
  });
});

function bySize(a: { readonly size: number }, b: { readonly size: number }): number {
  return a.size - b.size;
}
