import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { qemuArguments } from "../../../src/hypervisors/qemu/arguments.ts";
import { capabilitiesOf } from "../../../src/hypervisors/qemu/capabilities.ts";
import { startQemu } from "../../../src/hypervisors/qemu/process.ts";
import { QmpClient, withQmp } from "../../../src/hypervisors/qemu/qmp.ts";
import { QmpReader } from "../../../src/hypervisors/qemu/qmp-messages.ts";
import { MiB } from "../../../src/support/bytes.ts";
import { temporaryFolder, writeTinyDisk } from "../tiny-guest.ts";

const folder = temporaryFolder();
const GREETING = `{"QMP": {"version": {}, "capabilities": []}}\r\n`;

describe("QmpReader", () => {
  test("gives the same messages wherever the chunks end", () => {
    const stream = Buffer.from(
      `${GREETING}{"return": {"a": "ü\\n"}, "id": "1"}\r\n\r\n{"event": "STOP", "data": {}}\n`,
    );
    const whole = new QmpReader().push(stream);
    expect(whole.map(({ kind }) => kind)).toEqual(["greeting", "return", "event"]);
    fc.assert(
      fc.property(fc.array(fc.nat(stream.length)), (cuts) => {
        const reader = new QmpReader();
        const borders = [0, ...cuts.sort((a, b) => a - b), stream.length];
        const parts = borders.slice(1).map((end, index) => stream.subarray(borders[index], end));
        expect(parts.flatMap((part) => reader.push(part))).toEqual(whole);
      }),
    );
  });

  test.each(["nonsense\n", "[]\n", "1\n", "{}\n", '{"error": 1}\n', "\xff\xfe\n", `"${"x".repeat(2 << 20)}`])(
    "refuses %#",
    (text) => {
      expect(() => new QmpReader().push(Buffer.from(text, "latin1"))).toThrow(
        expect.objectContaining({ code: "qmp-bad-answer" }),
      );
    },
  );
});

describe("QmpClient", () => {
  const servers: Server[] = [];
  const sockets: Socket[] = [];
  let count = 0;

  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
    for (const server of servers.splice(0)) server.close();
  });

  /** A peer that does what a QEMU may not. */
  async function serve(behave: (socket: Socket) => void): Promise<string> {
    const path = join(folder, `peer-${++count}`);
    const server = createServer((socket) => {
      sockets.push(socket);
      socket.on("error", () => {});
      behave(socket);
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(path, resolve));
    return path;
  }

  function answering(answer: (command: { execute: string; id: string }) => string) {
    return (socket: Socket) => {
      socket.write(GREETING);
      socket.on("data", (data) => {
        for (const line of data.toString().trim().split("\n")) socket.write(answer(JSON.parse(line)));
      });
    };
  }

  test.each<[string, (socket: Socket) => void, string]>([
    ["says nothing", () => {}, "qmp-timeout"],
    ["sends half a line", (socket) => socket.write('{"QMP": '), "qmp-timeout"],
    ["hangs up", (socket) => socket.end(), "qmp-closed"],
    ["hangs up after the greeting", (socket) => socket.end(GREETING), "qmp-closed"],
    ["sends something else", (socket) => socket.write("220 ready\r\n"), "qmp-bad-answer"],
    ["sends without end", (socket) => socket.write("x".repeat(3 << 20)), "qmp-bad-answer"],
    ["refuses", answering(({ id }) => `{"error": {"class": "X", "desc": "no"}, "id": "${id}"}\n`), "qmp-refused"],
    ["answers to others only", answering(() => `{"return": {}, "id": "other"}\n`), "qmp-timeout"],
  ])("a peer that %s gives a clear error", async (_, behave, code) => {
    const path = await serve(behave);
    await expect(QmpClient.connect(path, { timeoutMs: 200 })).rejects.toMatchObject({ code });
  });

  test("a socket that is not there gives a clear error", async () => {
    await expect(QmpClient.connect(join(folder, "none"))).rejects.toMatchObject({ code: "qmp-unreachable" });
  });

  test("answers are told apart by their ids, and what waits is refused when the peer goes", async () => {
    const path = await serve((socket) => {
      const waiting: string[] = [];
      socket.write(GREETING);
      socket.on("data", (data) => {
        for (const line of data.toString().trim().split("\n")) {
          const { execute, id } = JSON.parse(line);
          if (execute === "qmp_capabilities") socket.write(`{"return": {}, "id": "${id}"}\n`);
          else if (execute === "bye") socket.end();
          else waiting.unshift(`{"return": "${execute}", "id": "${id}"}\n`);
          if (waiting.length === 2) socket.write(waiting.splice(0).join(""));
        }
      });
    });
    const client = await QmpClient.connect(path, { timeoutMs: 2000 });
    expect(await Promise.all([client.execute("one"), client.execute("two")])).toEqual(["one", "two"]);
    await expect(client.execute("bye")).rejects.toMatchObject({ code: "qmp-closed" });
    await expect(client.execute("after")).rejects.toMatchObject({ code: "qmp-closed" });
  });

  test("a real QEMU: commands, a refusal, events, one client after the other, and its end", async () => {
    const monitor = join(folder, "monitor");
    const machine = {
      name: "qmp",
      memory: 32 * MiB,
      cpus: 1,
      acceleration: "tcg",
      boot: { kind: "disk" },
      disks: [
        {
          path: writeTinyDisk(join(folder, "d.img"), "wait\n"),
          format: "raw",
          aio: "threads",
          cache: "unsafe",
          readonly: false,
        },
      ],
      cards: [],
      monitor,
    } as const;
    const args = qemuArguments(machine, capabilitiesOf([7, 2]));
    const guest = await startQemu({ path: "qemu-system-x86_64", args, env: process.env });
    await new Promise((resolve) => guest.output.once("data", resolve));

    const events: string[] = [];
    await withQmp(monitor, { onEvent: (name) => events.push(name) }, async (qmp) => {
      expect(await qmp.execute("query-status")).toMatchObject({ status: "running" });
      await expect(qmp.execute("no-such-command")).rejects.toMatchObject({ code: "qmp-refused" });
      await qmp.execute("human-monitor-command", { "command-line": "info status" });
    });
    await withQmp(monitor, { onEvent: (name) => events.push(name) }, async (qmp) => {
      await qmp.execute("system_powerdown");
      await guest.exited;
    });
    expect(events).toContain("POWERDOWN");
    expect(await guest.exited).toMatchObject({ code: 0, signal: null });
  });
});
