import { existsSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { subnetOf } from "../../../../src/instances/network/hub/addresses.ts";
import { Hub } from "../../../../src/instances/network/hub/hub.ts";
import { type HubAnswer, parseAnswer } from "../../../../src/instances/network/hub/protocol.ts";
import { temporaryFolder } from "../../../hypervisors/tiny-guest.ts";
import { describeUnless, lacksProgram } from "../../../support/machine.ts";
import { EVERYBODY, frame, StandInMachine, startRealMachine } from "./machine.ts";
import { arpRequest, parseReply } from "./packets.ts";

const folder = temporaryFolder();
const { base, gateway } = subnetOf("lab");
const ends: (() => void)[] = [];
let number = 0;

afterEach(() => {
  for (const end of ends.splice(0).reverse()) end();
});

async function startHub() {
  const socket = join(folder, `hub-${number++}`);
  let empty: () => void = () => {};
  const emptied = new Promise<void>((resolve) => {
    empty = resolve;
  });
  const hub = new Hub({ network: "lab", socket, resolveOutside: async () => undefined, onEmpty: () => empty() });
  await hub.listen();
  ends.push(() => hub.close());
  return { hub, socket, emptied };
}

class Control {
  readonly socket: Socket;
  readonly closed: Promise<void>;
  readonly #answers: HubAnswer[] = [];
  #wake = () => {};

  constructor(path: string) {
    this.socket = connect(path);
    this.socket.on("error", () => {});
    this.closed = new Promise((resolve) => this.socket.once("close", () => resolve()));
    let text = "";
    this.socket.on("data", (chunk) => {
      text += chunk;
      const lines = text.split("\n");
      text = lines.pop() ?? "";
      for (const line of lines) this.#answers.push(parseAnswer(line) as HubAnswer);
      this.#wake();
    });
    ends.push(() => this.socket.destroy());
  }

  async ask(request: unknown): Promise<HubAnswer> {
    this.socket.write(typeof request === "string" ? request : `${JSON.stringify(request)}\n`);
    while (this.#answers.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#answers.shift() as HubAnswer;
  }
}

async function member(hub: string, name: string, more: object = {}) {
  const machine = await new StandInMachine(join(folder, `m${number++}`)).listen();
  ends.push(() => machine.end());
  const control = new Control(hub);
  const answer = await control.ask({ do: "join", name, names: [name], socket: machine.socket, ...more });
  if (answer.ok) await machine.connected();
  return { machine, control, answer };
}

const [A, B] = ["02:00:00:00:00:0a", "02:00:00:00:00:0b"];

describe("a network", () => {
  test("passes frames on between machines, and what is for one to it alone", async () => {
    const { socket } = await startHub();
    const [a, b, c] = [await member(socket, "a"), await member(socket, "b"), await member(socket, "c")];
    a.machine.send(frame(EVERYBODY, A, "who is there"));
    await Promise.all([b.machine.got("who is there"), c.machine.got("who is there")]);
    b.machine.send(frame(A, B, "I am"));
    await a.machine.got("I am");
    a.machine.send(frame(B, A, "good"));
    a.machine.send(frame(EVERYBODY, A, "last"));
    await Promise.all([b.machine.got("good"), c.machine.got("last")]);
    expect(c.machine.frames.some((one) => one.includes("I am") || one.includes("good"))).toBe(false);
    expect(a.machine.frames.some((one) => one.includes("last"))).toBe(false);
  });

  test("waits for a machine that listens later, and comes back to one that dropped it", async () => {
    const { socket } = await startHub();
    const control = new Control(socket);
    const path = join(folder, `late${number++}`);
    expect(await control.ask({ do: "join", name: "late", names: ["late"], socket: path })).toMatchObject({ ok: true });
    const machine = await new StandInMachine(path).listen();
    ends.push(() => machine.end());
    await machine.connected();
    machine.wire?.destroy();
    await machine.until(() => machine.connections === 2 && machine.wire !== undefined);
  });

  test("tells who is there, gives each its address, and gives the same one again", async () => {
    const { socket, emptied } = await startHub();
    const a = await member(socket, "a", { names: ["a", "first"] });
    const b = await member(socket, "b");
    if (!a.answer.ok || !b.answer.ok) throw new Error("not joined");
    expect(a.answer.address).not.toBe(b.answer.address);
    expect(b.answer.members).toMatchObject([
      { name: "a", names: ["a", "first"], address: a.answer.address, connected: true },
      { name: "b", names: ["b"], address: b.answer.address },
    ]);
    expect(await new Control(socket).ask({ do: "status" })).toMatchObject({ members: [{ name: "a" }, { name: "b" }] });
    for (const one of [a, b]) {
      one.machine.end();
      one.control.socket.destroy();
    }
    await emptied;
    expect((await member(socket, "b")).answer).toMatchObject({ address: b.answer.address });
  });

  test("the hub itself answers at the gateway's address", async () => {
    const { socket } = await startHub();
    const { machine } = await member(socket, "a");
    machine.send(arpRequest(gateway, `${base}.9`));
    await machine.until(() => machine.frames.length === 1);
    expect(machine.frames.map(parseReply)).toMatchObject([{ kind: "arp", address: gateway, target: `${base}.9` }]);
  });

  test.each([
    ["taken", { address: `${base}.7`, fixed: true }, "address-taken", "is the address of a"],
    ["the hub's", { address: gateway, fixed: true }, "address-taken", "is not one from"],
    ["of another network", { address: "192.168.1.7", fixed: true }, "address-taken", "is not one from"],
  ])("an address that is %s is refused, and only wished, replaced", async (_, wish, code, text) => {
    const { socket } = await startHub();
    await member(socket, "a", { address: `${base}.7`, fixed: true });
    const refused = (await member(socket, "b", wish)).answer;
    expect(refused).toMatchObject({ ok: false, code, message: expect.stringContaining(text) });
    const { answer } = await member(socket, "b", { ...wish, fixed: false });
    expect(answer.ok && answer.address !== wish.address).toBe(true);
  });

  test("a network that is full says so", async () => {
    const { socket } = await startHub();
    for (let last = 2; last <= 254; last++) {
      const request = { do: "join", name: `n${last}`, names: [], socket: "/nowhere", address: `${base}.${last}` };
      expect(await new Control(socket).ask(request)).toMatchObject({ ok: true, address: request.address });
    }
    const one = { do: "join", name: "more", names: [], socket: "/nowhere" };
    expect(await new Control(socket).ask(one)).toMatchObject({ ok: false, code: "network-full" });
  });
});

describe("who leaves", () => {
  test("one whose instance is gone stays as long as its machine runs, and leaves no socket", async () => {
    const { hub, socket, emptied } = await startHub();
    const { machine, control } = await member(socket, "a");
    control.socket.destroy();
    const other = await member(socket, "b");
    other.machine.send(frame(EVERYBODY, B, "still there"));
    await machine.got("still there");
    other.control.socket.destroy();
    other.machine.end();
    machine.end();
    await emptied;
    expect(hub.isEmpty).toBe(true);
    expect([machine.socket, other.machine.socket].some((path) => existsSync(path))).toBe(false);
  });

  test("a second one of a name takes the place of the first", async () => {
    const { socket } = await startHub();
    const first = await member(socket, "a", { address: `${base}.7` });
    const second = await member(socket, "a", { address: `${base}.7`, fixed: true });
    expect(second.answer).toMatchObject({ ok: true, address: `${base}.7` });
    await first.control.closed;
    expect(await new Control(socket).ask({ do: "status" })).toMatchObject({ members: [{ name: "a" }] });
  });
});

describe("hostile neighbours", () => {
  test.each([
    ["a frame that cannot be", Buffer.from("ffffffff00", "hex")],
    ["an empty frame", Buffer.alloc(4)],
  ])("a machine that sends %s is hung up on, and the others go on", async (_, bytes) => {
    const { socket } = await startHub();
    const [a, b, c] = [await member(socket, "a"), await member(socket, "b"), await member(socket, "c")];
    const { wire } = a.machine;
    a.machine.raw(bytes);
    await a.machine.until(() => a.machine.wire !== wire);
    b.machine.send(frame(EVERYBODY, B, "we go on"));
    await c.machine.got("we go on");
  });

  test("one that does not read costs the others nothing, and the hub no memory", async () => {
    const { socket } = await startHub();
    const deaf = await new StandInMachine(join(folder, `deaf${number++}`)).listen();
    deaf.reads = false;
    ends.push(() => deaf.end());
    await new Control(socket).ask({ do: "join", name: "deaf", names: [], socket: deaf.socket });
    await deaf.connected();
    const [a, b] = [await member(socket, "a"), await member(socket, "b")];
    const before = process.memoryUsage().arrayBuffers;
    const flood = frame(EVERYBODY, A, "x".repeat(60_000));
    for (let count = 0; count < 1500; count++) {
      a.machine.send(flood);
      a.machine.send(frame(EVERYBODY, A, `mark ${count} `));
      await b.machine.got(`mark ${count} `);
      b.machine.frames.length = 0;
    }
    // 90 MB went by.
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(45e6);
  });

  test.each([
    ["no JSON", "hello\n"],
    ["another value", "7\n"],
    ["another request", '{"do":"dance"}\n'],
    ["a join without a socket", '{"do":"join","name":"a","names":[]}\n'],
    ["a relative socket", '{"do":"join","name":"a","names":[],"socket":"a"}\n'],
    ["a name that is no host name", '{"do":"join","name":"a","names":["a b"],"socket":"/a"}\n'],
    ["an address that is none", '{"do":"join","name":"a","names":[],"socket":"/a","address":"x"}\n'],
  ])("%s is refused", async (_, line) => {
    const { hub, socket } = await startHub();
    expect(await new Control(socket).ask(line)).toMatchObject({ ok: false, code: "bad-request" });
    expect(hub.isEmpty).toBe(true);
  });

  test("a line without an end is the end of the connection", async () => {
    const { socket } = await startHub();
    const control = new Control(socket);
    control.socket.write("x".repeat(1 << 20));
    await control.closed;
  });

  test("a connection joins once", async () => {
    const { socket } = await startHub();
    const { control } = await member(socket, "a");
    const again = await control.ask({ do: "join", name: "b", names: [], socket: "/nowhere" });
    expect(again).toMatchObject({ ok: false, code: "bad-request" });
  });
});

describeUnless(lacksProgram("qemu-system-x86_64"))("QEMU as the judge", () => {
  test("a real machine understands the wire, and is understood", async () => {
    const { socket } = await startHub();
    const path = join(folder, `real${number++}`);
    const qemu = startRealMachine(path);
    ends.push(() => qemu.kill("SIGKILL"));
    await new Control(socket).ask({ do: "join", name: "real", names: ["real"], socket: path });
    const { machine } = await member(socket, "a");
    // Asked again until QEMU is up.
    const asking = setInterval(() => machine.send(arpRequest("10.0.2.2", "10.0.2.15")), 50);
    await machine.until(() => machine.frames.some((one) => one.readUInt16BE(12) === 0x0806));
    clearInterval(asking);
    expect(parseReply(machine.frames.find((one) => one.readUInt16BE(12) === 0x0806) as Buffer)).toMatchObject({
      kind: "arp",
      address: "10.0.2.2",
      target: "10.0.2.15",
    });
  });
});
