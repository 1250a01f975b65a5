import fc from "fast-check";
import { expect, test } from "vitest";
import { Gateway } from "../../../../src/instances/network/hub/gateway.ts";
import { ADDRESS, arpRequest, dnsQuery, echoRequest, MAC, parseReply, udp } from "./packets.ts";

function gateway(outside: Readonly<Record<string, string | Error>> = {}, hasWayOut = true) {
  const sent: Buffer[] = [];
  const askers: string[] = [];
  const it = new Gateway({
    mac: MAC,
    address: ADDRESS,
    resolve: (name) => (name === "web" ? "10.128.0.5" : undefined),
    resolveOutside: (name, asker) => {
      askers.push(asker);
      if (!hasWayOut) return undefined;
      const found = outside[name];
      return found instanceof Error ? Promise.reject(found) : Promise.resolve(found);
    },
    send: (frame) => sent.push(frame),
  });
  const ask = async (frame: Buffer) => {
    it.receive(frame);
    await new Promise((resolve) => setImmediate(resolve));
    return sent.map(parseReply);
  };
  return { it, ask, sent, askers };
}

test("answers to who asks for its address, and to nobody else's", async () => {
  expect(await gateway().ask(arpRequest(ADDRESS))).toEqual([
    { kind: "arp", to: "02:00:00:00:00:09", mac: MAC, address: ADDRESS, target: "10.128.0.9" },
  ]);
  expect(await gateway().ask(arpRequest("10.128.0.2"))).toEqual([]);
});

test("answers to ping with what was sent, and a right sum", async () => {
  expect(await gateway().ask(echoRequest("hello"))).toEqual([
    { kind: "echo", to: "10.128.0.9", payload: "hello", sumsAreRight: true },
  ]);
});

test.each([
  ["a member", "web", 1, { code: 0, addresses: ["10.128.0.5"] }],
  ["a member, in capitals", "WEB", 1, { code: 0, addresses: ["10.128.0.5"] }],
  ["a member's IPv6 address, which it has not", "web", 28, { code: 0, addresses: [] }],
  ["nobody", "nobody", 1, { code: 3, addresses: [] }],
  ["a name of the outer world", "example.org", 1, { code: 0, addresses: ["192.0.2.7"] }],
  ["its IPv6 address", "example.org", 28, { code: 0, addresses: [] }],
  ["a name that the outer world has not", "nobody.example.org", 1, { code: 3, addresses: [] }],
  ["a name whose look-up fails", "broken.example.org", 1, { code: 2, addresses: [] }],
  ["the name of a pointer", "5.0.128.10.in-addr.arpa", 12, { code: 3, addresses: [] }],
])("is asked for %s", async (_, name, type, expected) => {
  const outside = { "example.org": "192.0.2.7", "broken.example.org": new Error("no") };
  const answers = await gateway(outside).ask(dnsQuery(name, type));
  expect(answers).toEqual([
    { kind: "dns", to: "10.128.0.9", port: 40_000, id: 0x1234, sumsAreRight: true, ...expected },
  ]);
});

test("who has no way out is told of no outer name", async () => {
  const { ask, askers } = gateway({ "example.org": "192.0.2.7" }, false);
  expect(await ask(dnsQuery("example.org", 1))).toMatchObject([{ code: 3, addresses: [] }]);
  expect(askers).toEqual(["10.128.0.9"]);
});

test.each([
  ["an answer", (message: Buffer) => message.writeUInt16BE(0x8000, 2)],
  ["two questions", (message: Buffer) => message.writeUInt16BE(2, 4)],
  ["no question", (message: Buffer) => message.writeUInt16BE(0, 4)],
  ["a pointer in the question", (message: Buffer) => message.writeUInt8(0xc0, 12)],
  ["a label beyond the end", (message: Buffer) => message.writeUInt8(63, 12)],
  ["another class", (message: Buffer) => message.writeUInt16BE(3, message.length - 2)],
])("%s gets no answer", async (_, damage) => {
  const query = dnsQuery("web", 1);
  const damaged = Buffer.from(query);
  damage(damaged.subarray(42));
  expect(await gateway().ask(query)).toHaveLength(1);
  expect(await gateway().ask(damaged)).toEqual([]);
});

test.each([
  ["another port", udp(54, dnsQuery("web", 1).subarray(42))],
  ["another address", dnsQuery("web", 1, "10.128.0.2")],
])("%s gets no answer", async (_, frame) => {
  expect(await gateway().ask(frame)).toEqual([]);
});

test("no frame breaks it, and none gets an answer that is longer than the question by more than an address", () => {
  const { it, sent } = gateway();
  const good = [arpRequest(ADDRESS), echoRequest("hello"), dnsQuery("web", 1)];
  const damaged = fc
    .record({ frame: fc.constantFrom(...good), changes: fc.array(fc.tuple(fc.nat(), fc.nat(255))), end: fc.nat(100) })
    .map(({ frame, changes, end }) => {
      const copy = Buffer.from(frame.subarray(0, end));
      for (const [at, value] of changes) if (copy.length > 0) copy[at % copy.length] = value;
      return copy;
    });
  fc.assert(
    fc.property(fc.oneof(damaged, fc.uint8Array({ maxLength: 1600 })), (bytes) => {
      sent.length = 0;
      it.receive(Buffer.from(bytes));
      expect(sent.length).toBeLessThanOrEqual(1);
      expect(sent[0]?.length ?? 0).toBeLessThanOrEqual(bytes.length + 16);
    }),
    { numRuns: 2000 },
  );
});
