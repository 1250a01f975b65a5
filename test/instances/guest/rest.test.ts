import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, onTestFinished, test } from "vitest";
import { copyFromGuest, copyToGuest } from "../../../src/instances/guest/copy.ts";
import {
  filePath,
  guestEnvironment,
  guestInfo,
  guestThreads,
  listGuestFiles,
} from "../../../src/instances/guest/info.ts";
import { withGuestPort } from "../../../src/instances/guest/reach.ts";
import { GuestRest } from "../../../src/instances/guest/rest.ts";
import { GuestServer, send } from "../../support/guest-server.ts";

const folder = mkdtempSync(join(tmpdir(), "capstan-guest-"));
const servers: GuestServer[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.stop();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function guest(files: Readonly<Record<string, string | undefined>> = {}) {
  const server = new GuestServer();
  servers.push(server);
  server.files.set("/", undefined);
  for (const [path, text] of Object.entries(files))
    server.files.set(path, text === undefined ? undefined : Buffer.from(text));
  const port = await server.start();
  return { server, rest: new GuestRest({ name: "web", host: "127.0.0.1", port }, new AbortController().signal) };
}

describe("what a guest says of itself", () => {
  test("is read, and what its server lacks is left out", async () => {
    const { rest } = await guest();
    expect(await guestInfo(rest)).toEqual({
      os: "OSv",
      version: "v0.57.0-398-g0e34e4dc",
      hostname: "",
      uptime: 9,
      memoryTotal: 536_000_000,
      memoryFree: 514_285_568,
      processors: 2,
      commandLine: "/libhttpserver-api.so",
      addresses: [{ interface: "eth0", address: "10.0.2.15" }],
      filesystems: [{ mount: "/", device: "/dev/vblk0.1", size: 6797 * 512, free: 0 }],
    });
    expect(await guestEnvironment(rest)).toEqual(["A=b", "OSV_CPUS=2"]);
    expect(await guestThreads(rest)).toMatchObject({ time: 1000, threads: [{ id: 31, cpuMs: 118, name: "/server" }] });
  });

  test.each([
    ["no JSON", (response: ServerResponse) => response.end("<html>"), "guest-answer"],
    ["an error page", (response: ServerResponse) => response.writeHead(500).end("oops"), "guest-refused"],
    ["a hang-up", (response: ServerResponse) => response.destroy(), "guest-unreachable"],
    ["an answer without an end", (response: ServerResponse) => flood(response), "guest-answer"],
  ])("is an error with %s", async (_name, answer, code) => {
    const { server, rest } = await guest();
    server.answer = (_request, response) => {
      answer(response);
      return true;
    };
    await expect(guestInfo(rest)).rejects.toMatchObject({ code });
  });
});

test.each([
  [
    "changes to another protocol",
    "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    "guest-answer",
  ],
  ["announces an answer for ever", "HTTP/1.1 100 Continue\r\n\r\n".repeat(1000), "guest-unreachable"],
  ["has headers without an end", `HTTP/1.1 200 OK\r\n${"A: b\r\n".repeat(100_000)}`, "guest-unreachable"],
  ["speaks something else", "SSH-2.0-dropbear\r\n", "guest-unreachable"],
])("a server that %s is an error", async (_, answer, code) => {
  const { rest } = await rawGuest(answer);
  await expect(rest.json("/os/name")).rejects.toMatchObject({ code });
});

test("a request that is interrupted ends with that, and not with the process", async () => {
  const ending = new AbortController();
  const { rest } = await rawGuest("", ending);
  const asking = rest.json("/os/name");
  setTimeout(() => ending.abort(), 50);
  await expect(asking).rejects.toMatchObject({ code: "interrupted" });
});

/** A server that says the same to everyone, whatever they ask. */
async function rawGuest(answer: string, { signal } = new AbortController()) {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.on("data", () => socket.write(answer));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  return { rest: new GuestRest({ name: "web", host: "127.0.0.1", port }, signal) };
}

function flood(response: ServerResponse): void {
  const chunk = Buffer.alloc(1 << 20, " ");
  const more = () => {
    while (!response.destroyed && response.write(chunk));
    if (!response.destroyed) response.once("drain", more);
  };
  more();
}

describe("files of a guest", () => {
  test.each([
    ["/", "/file/%2F"],
    ["/etc/hosts", "/file/etc/hosts"],
    ["/a b/c?d", "/file/a%20b/c%3Fd"],
    ["//x/./y", "/file/x/y"],
  ])("are asked for by their path: %s", (path, expected) => {
    expect(filePath(path)).toBe(expected);
  });

  test("are listed, without the folder itself", async () => {
    const { rest } = await guest({ "/etc": undefined, "/etc/b": "22", "/etc/a": "1" });
    expect((await listGuestFiles(rest, "/etc")).map(({ name, size, mode }) => [name, size, mode])).toEqual([
      ["a", 1, 0o644],
      ["b", 2, 0o644],
    ]);
    expect(await listGuestFiles(rest, "/etc/b")).toMatchObject([{ name: "/etc/b", size: 2 }]);
    await expect(listGuestFiles(rest, "/nothing")).rejects.toMatchObject({ code: "no-such-file", exitCode: 66 });
  });

  test("come out whole, folders with all that is in them", async () => {
    const { rest } = await guest({ "/d": undefined, "/d/x": "one", "/d/e": undefined, "/d/e/y": "", "/f": "two" });
    const into = join(folder, "out");
    mkdirSync(into);
    expect(await copyFromGuest(rest, "/d", into)).toEqual({ files: 2, bytes: 3 });
    expect(readFileSync(join(into, "d/x"), "utf8")).toBe("one");
    expect(statSync(join(into, "d/e/y")).size).toBe(0);
    await copyFromGuest(rest, "/f", join(into, "renamed"));
    expect(readFileSync(join(into, "renamed"), "utf8")).toBe("two");
  });

  test.each(["..", "a/b", "", "a\0b", "\ud800", "n".repeat(256)])(
    "named '%s' by a hostile guest are not written",
    async (name) => {
      const { server, rest } = await guest({ "/d": undefined });
      server.answer = (request, response) => {
        if (request.url?.includes("LISTSTATUS") !== true) return false;
        send(response, 200, [{ pathSuffix: name, type: "FILE", length: 1 }]);
        return true;
      };
      const copying = copyFromGuest(rest, "/d", join(folder, "hostile"));
      if (name === "..") await copying;
      else await expect(copying).rejects.toMatchObject({ code: "guest-answer" });
    },
  );

  test("of one name, a file and a folder, are refused", async () => {
    const { server, rest } = await guest({ "/d": undefined, "/d/a": "x" });
    server.answer = (request, response) => {
      if (request.url?.includes("LISTSTATUS") !== true) return false;
      send(
        response,
        200,
        ["FILE", "DIRECTORY"].map((type) => ({ pathSuffix: "a", type, length: 1 })),
      );
      return true;
    };
    const copying = copyFromGuest(rest, "/d", join(folder, "twice"));
    await expect(copying).rejects.toMatchObject({
      code: "guest-answer",
      message: expect.stringContaining("'a' twice"),
    });
  });

  test("whose names are as long as any are come out too", async () => {
    const name = "n".repeat(255);
    const { rest } = await guest({ "/d": undefined, [`/d/${name}`]: "x" });
    await copyFromGuest(rest, "/d", join(folder, "long"));
    expect(readFileSync(join(folder, "long", name), "utf8")).toBe("x");
  });

  test("without an end are given up, and nothing of them stays", async () => {
    const { server, rest } = await guest({ "/f": "content" });
    server.answer = (request, response) => {
      if (request.url?.endsWith("op=GET") !== true) return false;
      flood(response);
      return true;
    };
    const into = join(folder, "endless");
    mkdirSync(into);
    const copying = copyFromGuest(rest, "/f", into);
    await expect(copying).rejects.toMatchObject({ code: "guest-answer", message: expect.stringContaining("no end") });
    expect(readdirSync(into)).toEqual([]);
  });

  test("never come into the folder above the one that was named", async () => {
    const { server, rest } = await guest();
    server.answer = (request, response) => {
      const isListing = request.url?.includes("LISTSTATUS") === true;
      send(response, 200, isListing ? [] : { pathSuffix: "x", type: "DIRECTORY" });
      return true;
    };
    const into = join(folder, "below");
    mkdirSync(into);
    await copyFromGuest(rest, "/a/b/..", into);
    expect(readdirSync(into)).toEqual(["a"]);
  });

  test("that come cut off leave what was there before", async () => {
    const { server, rest } = await guest({ "/f": "content" });
    server.answer = (request, response) => {
      if (request.url?.includes("op=GET") !== true || request.url.includes("STATUS")) return false;
      response.writeHead(200, { "Content-Length": 100 });
      response.write("con");
      setTimeout(() => response.destroy(), 20);
      return true;
    };
    const target = join(folder, "kept");
    writeFileSync(target, "before");
    await expect(copyFromGuest(rest, "/f", target)).rejects.toThrow();
    expect(readFileSync(target, "utf8")).toBe("before");
  });

  test.each([0, 1, 200_000])("go in: %i bytes, into a folder too", async (size) => {
    const { server, rest } = await guest({ "/tmp": undefined });
    const source = join(folder, `source-${size}`);
    writeFileSync(source, Buffer.alloc(size, 7));
    await copyToGuest(rest, source, "/tmp");
    await copyToGuest(rest, source, "/tmp/named");
    for (const path of [`/tmp/source-${size}`, "/tmp/named"]) {
      expect(server.files.get(path)?.equals(Buffer.alloc(size, 7))).toBe(true);
    }
    await expect(copyToGuest(rest, folder, "/tmp")).rejects.toMatchObject({ code: "no-such-file" });
  });
});

describe("what would harm a guest", () => {
  test("is not done: a real one's server dies of an upload to where it cannot write", async () => {
    const { server, rest } = await guest({ "/etc": undefined, "/file": "x" });
    server.readOnly = true;
    const source = join(folder, "source");
    writeFileSync(source, "content");
    for (const target of ["/etc", "/etc/new", "/file/below"]) {
      await expect(copyToGuest(rest, source, target)).rejects.toMatchObject({ code: "guest-read-only" });
    }
    await expect(copyToGuest(rest, source, "/none/x")).rejects.toMatchObject({ code: "no-such-file" });
    expect(server.requests.filter((request) => request.startsWith("POST"))).toEqual([]);
  });

  test("the trial leaves nothing behind", async () => {
    const { server, rest } = await guest({ "/tmp": undefined });
    const source = join(folder, "source");
    writeFileSync(source, "content");
    await copyToGuest(rest, source, "/tmp/x");
    expect([...server.files.keys()].sort()).toEqual(["/", "/tmp", "/tmp/x"]);
  });

  test("devices are not read: alone that is an error, in a folder they are left out", async () => {
    const { server, rest } = await guest({ "/dev": undefined, "/dev/random": "1", "/a": "22" });
    await expect(copyFromGuest(rest, "/dev/random", join(folder, "random"))).rejects.toThrow(/devices/);
    expect(await copyFromGuest(rest, "/", join(folder, "all"))).toEqual({ files: 1, bytes: 2 });
    expect(server.requests.filter((request) => request.includes("random"))).toHaveLength(1);
  });
});

describe("the port of a guest", () => {
  const forward = (address: string) => [{ protocol: "tcp" as const, address, hostPort: 18_000, guestPort: 8000 }];

  test.each([
    ["", "127.0.0.1"],
    ["0.0.0.0", "127.0.0.1"],
    ["192.0.2.1", "192.0.2.1"],
    ["[::1]", "::1"],
  ])("is that of a forwarding that is there: '%s'", async (address, host) => {
    const instance = { name: "web", forwards: forward(address), monitor: undefined };
    expect(await withGuestPort(instance, 8000, async (found) => found)).toEqual({ name: "web", host, port: 18_000 });
  });

  test("cannot be reached without a forwarding and without a monitor", async () => {
    const instance = { name: "web", forwards: forward(""), monitor: undefined };
    await expect(withGuestPort(instance, 9000, async () => 0)).rejects.toMatchObject({ code: "guest-unreachable" });
  });
});
