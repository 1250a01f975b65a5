import { mkdirSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { ConsoleLog } from "../../src/instances/console/log-writer.ts";
import { healthAttempts } from "../../src/instances/health-attempt.ts";
import { formatProbe, parseProbe } from "../../src/instances/probe.ts";
import { LogProbe } from "../../src/instances/probe-log.ts";
import { addressOf, type PortProbe, type ProbeTarget, tryPort } from "../../src/instances/probe-port.ts";
import { type ReadyInput, waitUntilReady } from "../../src/instances/readiness.ts";
import { InterruptedError } from "../../src/support/errors.ts";
import { temporaryFolder, testContext } from "../hypervisors/tiny-guest.ts";

const root = temporaryFolder();
let count = 0;
const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

function newFolder(): string {
  const folder = join(root, String(++count));
  mkdirSync(folder);
  return folder;
}

/** A port of this machine that stands for the guest's port 80. */
async function serve(path: string | undefined, onConnection: (socket: Socket) => void): Promise<number> {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    onConnection(socket);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(path ?? { port: 0, host: "127.0.0.1" }, resolve));
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

function forwardTo(hostPort: number, guestPort = 80): ProbeTarget {
  return { forwards: [{ protocol: "tcp", address: "", hostPort, guestPort }] };
}

const tcp: PortProbe = { kind: "tcp", port: 80 };
const http: PortProbe = { kind: "http", port: 80, path: "/ready?a=b" };

describe("a probe's text", () => {
  test.each([
    ["log:^ready .*: \\d+$", { kind: "log", pattern: "^ready .*: \\d+$" }],
    ["log:tcp:80", { kind: "log", pattern: "tcp:80" }],
    ["tcp:1", { kind: "tcp", port: 1 }],
    ["tcp:65535", { kind: "tcp", port: 65535 }],
    ["http:8080", { kind: "http", port: 8080, path: "/" }],
    ["http:8080/a/b?c=d", { kind: "http", port: 8080, path: "/a/b?c=d" }],
  ] as const)("%s", (text, probe) => {
    expect(parseProbe(text)).toEqual(probe);
    expect(parseProbe(formatProbe(probe))).toEqual(probe);
  });

  test.each([
    ["", "it begins with none"],
    ["ready", "it begins with none"],
    ["udp:80", "it begins with none"],
    [":80", "it begins with none"],
    ["log:", "the expression is empty"],
    ["log:(", "Invalid regular expression"],
    ["tcp:", "the port is missing"],
    ["tcp:0", "'0' is not a port"],
    ["tcp:65536", "'65536' is not a port"],
    ["tcp:80/x", "'80/x' is not a port"],
    ["http://localhost:80/", "the port is missing"],
    ["http:80/a b", "characters that an address does not have"],
    ["http:80/a\r\nHost: b", "characters that an address does not have"],
  ])("%j is refused: %s", (text, why) => {
    expect(() => parseProbe(text)).toThrow(
      expect.objectContaining({ code: "bad-probe", message: expect.stringContaining(why) }),
    );
  });

  test("any text is read or refused", () => {
    void fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string().map((rest) => `http:80/${rest}`),
        ),
        (text) => {
          try {
            expect(formatProbe(parseProbe(text))).toBe(text);
          } catch (error) {
            expect(error).toMatchObject({ code: "bad-probe", exitCode: 64 });
          }
        },
      ),
    );
  });
});

describe("where a port is reached", () => {
  test.each([
    ["", "127.0.0.1"],
    ["0.0.0.0", "127.0.0.1"],
    ["127.0.0.2", "127.0.0.2"],
    ["[::1]", "::1"],
    ["[::]", "::1"],
  ])("forwarded from '%s': at %s", (address, host) => {
    const forwards = [
      { protocol: "udp", address: "", hostPort: 1, guestPort: 80 },
      { protocol: "tcp", address, hostPort: 8080, guestPort: 80 },
    ] as const;
    expect(addressOf(tcp, { forwards })).toEqual({ host, port: 8080 });
  });

  test("a port that is not forwarded is an error", async () => {
    expect(() => addressOf(tcp, forwardTo(80, 81))).toThrow(
      expect.objectContaining({
        code: "port-not-forwarded",
        message: expect.stringContaining("tcp:80 cannot be tried"),
      }),
    );
  });
});

describe("trying a port", () => {
  const quick = { timeoutMs: 2000 };

  test.each([
    ["one that nobody listens on", undefined, { ok: false, output: "is closed" }],
    [
      "one that is closed at once, as QEMU does for a guest that refuses",
      (socket: Socket) => socket.end(),
      { ok: false, output: "is closed" },
    ],
    ["one that greets", (socket: Socket) => socket.write("220 hello"), { ok: true, output: "is open" }],
    ["one that waits", () => {}, { ok: true, output: "is open" }],
  ])("tcp: %s", async (_, onConnection, expected) => {
    const port = await serve(undefined, onConnection ?? (() => {}));
    if (onConnection === undefined) await new Promise((resolve) => servers.pop()?.close(resolve));
    expect(await tryPort(tcp, forwardTo(port), quick)).toEqual(expected);
  });

  test.each([
    ["HTTP/1.1 200 OK\r\n\r\n", true, "answered with the status 200"],
    ["HTTP/1.0 301 Moved\r\n", true, "answered with the status 301"],
    ["HTTP/1.1 404 Not Found\r\n\r\n", false, "answered with the status 404"],
    ["HTTP/1.1 503\r\n\r\n", false, "answered with the status 503"],
    ["SSH-2.0-x\r\n", false, "does not speak HTTP"],
    ["x".repeat(100_000), false, "does not speak HTTP"],
    ["", false, "did not answer"],
  ])("http: %j", async (answer, ok, output) => {
    let asked = "";
    const port = await serve(undefined, (socket) => {
      socket.on("data", (chunk) => {
        asked += chunk;
        // In two parts, which may arrive as two.
        socket.write(answer.slice(0, 7));
        setTimeout(() => socket.end(answer.slice(7)), 10);
      });
    });
    expect(await tryPort(http, forwardTo(port), quick)).toEqual({ ok, output });
    expect(asked).toMatch(/^GET \/ready\?a=b HTTP\/1\.1\r\nHost: localhost\r\n(?:.+\r\n)*\r\n$/);
  });

  test("http: no answer in time", async () => {
    const port = await serve(undefined, () => {});
    const result = await tryPort(http, forwardTo(port), { timeoutMs: 50 });
    expect(result).toEqual({ ok: false, output: "did not answer in time" });
  });

  /** A monitor whose `info usernet` is this. */
  async function monitor(table: string): Promise<string> {
    const path = join(root, `monitor-${++count}`);
    await serve(path, (socket) => {
      socket.write('{"QMP": {"version": {}, "capabilities": []}}\r\n');
      socket.on("data", (chunk) => {
        for (const line of String(chunk).trim().split("\r\n")) {
          const { id, execute } = JSON.parse(line);
          socket.write(`${JSON.stringify({ return: execute === "human-monitor-command" ? table : {}, id })}\r\n`);
        }
      });
    });
    return path;
  }

  const HOST = "  TCP[HOST_FORWARD]  10               * 28080  192.168.122.15    80     0     0\r\n";

  test.each([
    [
      "a guest that has taken it",
      `${HOST}  TCP[ESTABLISHED]   21       127.0.0.1 28080  192.168.122.15    80     0     0\r\n`,
      true,
    ],
    [
      "a guest that has not answered",
      `${HOST}  TCP[SYN_SENT]   21       127.0.0.1 28080  192.168.122.15    80     0     0\r\n`,
      false,
    ],
    [
      "another port of the guest",
      `${HOST}  TCP[ESTABLISHED]   21       127.0.0.1 28081  192.168.122.15    81     0     0\r\n`,
      false,
    ],
    ["no table", "nothing of the kind", true],
  ])("tcp with QEMU's table of connections: %s", async (_, table, ok) => {
    const port = await serve(undefined, () => {});
    const target = { ...forwardTo(port), monitor: await monitor(table) };
    expect((await tryPort(tcp, target, { timeoutMs: 1500 })).ok).toBe(ok);
  });

  test.each([
    ["tcp", tcp],
    ["http", http],
  ])(
    "%s: a connection that a guest without a network has not seen is made anew, within one attempt",
    async (_, probe) => {
      let connections = 0;
      const port = await serve(undefined, (socket) => {
        if (++connections > 1) socket.write("HTTP/1.1 200 OK\r\n\r\n");
      });
      const lost = `${HOST}  TCP[SYN_SENT]   21       127.0.0.1 28080  192.168.122.15    80     0     0\r\n`;
      const target = { ...forwardTo(port), monitor: await monitor(lost) };
      expect(await tryPort(probe, target, { timeoutMs: 60_000 })).toMatchObject({ ok: true });
      expect(connections).toBe(2);
    },
  );

  test("http: a server that has taken the connection and thinks is not asked twice", async () => {
    let connections = 0;
    const port = await serve(undefined, (socket) => {
      connections++;
      setTimeout(() => socket.write("HTTP/1.1 200 OK\r\n\r\n"), 1500);
    });
    const taken = `${HOST}  TCP[ESTABLISHED]   21       127.0.0.1 28080  192.168.122.15    80     0     0\r\n`;
    const target = { ...forwardTo(port), monitor: await monitor(taken) };
    expect(await tryPort(http, target, { timeoutMs: 60_000 })).toMatchObject({ ok: true });
    expect(connections).toBe(1);
  });
});

describe("waiting until a guest is ready", () => {
  function wait(changes: Partial<ReadyInput>, context = testContext()) {
    const input = { name: "web", folder: newFolder(), forwards: [], limitMs: 5000, since: 0, isOver: () => false };
    return waitUntilReady({ probe: parseProbe("log:ready"), ...input, ...changes }, context);
  }

  /** A log to which the texts are written one after the other. */
  function saying(folder: string, ...texts: readonly string[]): ConsoleLog {
    const log = new ConsoleLog({ folder, now: () => new Date() });
    for (const [index, text] of texts.entries()) setTimeout(() => log.append(Buffer.from(text)), 20 + 60 * index);
    return log;
  }

  test.each([
    ["a line in parts", "^is ready$", ["boot\r\nis re", "ady\r\n"], "is ready"],
    ["a line with colours", "^is ready$", ["\x1b[1mis\x1b[0m ready\n"], "is ready"],
    ["a prompt, which has no end", "login:$", ["welcome\nlogin: "], "login:"],
    ["the first of several", "ready (\\d)", ["ready 1\nready 2\n"], "ready 1"],
  ])("%s", async (_, pattern, texts, line) => {
    const folder = newFolder();
    const log = saying(folder, ...texts);
    const { output } = await wait({ folder, probe: { kind: "log", pattern } });
    log.close();
    expect(output).toBe(line);
  });

  test("what an earlier start has said does not count", async () => {
    const folder = newFolder();
    const log = new ConsoleLog({ folder, now: () => new Date(1000) });
    log.append(Buffer.from("ready\nlast words\n"));
    log.close();
    const again = new ConsoleLog({ folder, now: () => new Date(5000) });
    again.append(Buffer.from("booting\n"));
    again.close();
    await expect(wait({ folder, since: 4000, limitMs: 100 })).rejects.toMatchObject({
      code: "not-ready",
      exitCode: 1,
      message: "web is not ready after 0.1 s (log:ready: no line matched)",
      details: ["booting"],
    });
  });

  test("a guest that ends before is an error with its last lines", async () => {
    const folder = newFolder();
    const log = new ConsoleLog({ folder, now: () => new Date() });
    log.append(Buffer.from(Array.from({ length: 9 }, (_, index) => `line ${index}\r\n`).join("")));
    log.close();
    await expect(wait({ folder, isOver: () => true })).rejects.toMatchObject({
      code: "ended-before-ready",
      details: [4, 5, 6, 7, 8].map((index) => `line ${index}`),
    });
  });

  test("a port that opens later", async () => {
    const port = await serve(undefined, () => {});
    await new Promise((resolve) => servers.pop()?.close(resolve));
    setTimeout(() => {
      const server = createServer((socket) => socket.end("HTTP/1.1 200 OK\r\n\r\n"));
      servers.push(server.listen(port, "127.0.0.1"));
    }, 150);
    const { output } = await wait({ ...forwardTo(port), probe: http });
    expect(output).toBe("port 80 answered with the status 200");
  });

  test("a port that stays closed, and one that is not forwarded", async () => {
    await expect(wait({ ...forwardTo(1), probe: tcp, limitMs: 100 })).rejects.toMatchObject({
      code: "not-ready",
      message: "web is not ready after 0.1 s (tcp:80: port 80 is closed)",
    });
    await expect(wait({ probe: tcp })).rejects.toMatchObject({ code: "port-not-forwarded" });
  });

  test("Ctrl-C ends the wait", async () => {
    const context = testContext();
    const waiting = wait({}, context);
    context.abort(new InterruptedError());
    await expect(waiting).rejects.toMatchObject({ code: "interrupted" });
  });
});

describe("the attempts of a health check", () => {
  const check = { intervalMs: 1, timeoutMs: 1000, retries: 1, startMs: 0 };

  test("a line that was seen once has been seen", async () => {
    const folder = newFolder();
    const { attempt, close } = healthAttempts({
      ...{ folder, since: 0, forwards: [] },
      check: { ...check, probe: parseProbe("log:^up") },
    });
    const { signal } = new AbortController();
    expect(await attempt(signal)).toEqual({ ok: false, output: "no line matches yet" });
    const log = new ConsoleLog({ folder, now: () => new Date() });
    log.append(Buffer.from("up 1\nmore\n"));
    log.close();
    for (let result = await attempt(signal); !result.ok; result = await attempt(signal)) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(await attempt(signal)).toEqual({ ok: true, output: "up 1" });
    close();
  });

  test("a port", async () => {
    const port = await serve(undefined, (socket) => socket.end("HTTP/1.1 500 No\r\n\r\n"));
    const { attempt } = healthAttempts({ folder: "", since: 0, ...forwardTo(port), check: { ...check, probe: http } });
    const result = await attempt(new AbortController().signal);
    expect(result).toEqual({ ok: false, output: "port 80 answered with the status 500" });
  });

  test("a log that cannot be read is told", async () => {
    const folder = newFolder();
    mkdirSync(join(folder, "console.log"));
    const probe = new LogProbe({ folder, pattern: "x", since: 0 });
    let told: unknown;
    while (told === undefined) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      try {
        probe.result();
      } catch (error) {
        told = error;
      }
    }
    expect(String(told)).toContain("it is a directory");
  });
});
