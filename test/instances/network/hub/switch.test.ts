import fc from "fast-check";
import { expect, test } from "vitest";
import { EthernetSwitch, type SwitchPort } from "../../../../src/instances/network/hub/switch.ts";

class Plug implements SwitchPort {
  readonly got: string[] = [];
  send(frame: Buffer): void {
    this.got.push(frame.toString("hex"));
  }
}

function frame(to: string, from: string, text = ""): Buffer {
  return Buffer.concat([Buffer.from(to + from, "hex"), Buffer.from([0x88, 0xb5]), Buffer.from(text)]);
}

const [A, B, C] = ["020000000001", "020000000002", "020000000003"] as const;
const ALL = "ffffffffffff";

function three() {
  const network = new EthernetSwitch();
  const [a, b, c] = [new Plug(), new Plug(), new Plug()];
  for (const port of [a, b, c]) network.plug(port);
  return { network, a, b, c, counts: () => [a.got.length, b.got.length, c.got.length] };
}

test("a frame for all, and one for an address that was not heard yet, go to all others", () => {
  const { network, a, counts } = three();
  network.receive(a, frame(ALL, A));
  network.receive(a, frame(B, A));
  network.receive(a, frame("01005e000001", A));
  expect(counts()).toEqual([0, 3, 3]);
});

test("a frame for an address that was heard goes there alone, and never back", () => {
  const { network, a, b, c, counts } = three();
  network.receive(b, frame(ALL, B));
  expect(counts()).toEqual([1, 0, 1]);
  network.receive(a, frame(B, A));
  expect(counts()).toEqual([1, 1, 1]);
  network.receive(b, frame(B, C));
  expect(counts()).toEqual([1, 1, 1]);
  network.receive(c, frame(A, C));
  expect(counts()).toEqual([2, 1, 1]);
});

test("an address that moves is found where it was heard last; one whose port is gone is looked for everywhere", () => {
  const { network, a, b, c, counts } = three();
  network.receive(a, frame(ALL, A));
  network.receive(b, frame(ALL, A));
  network.receive(c, frame(A, C));
  expect(counts()).toEqual([1, 2, 2]);
  network.unplug(b);
  network.receive(c, frame(A, C));
  expect(counts()).toEqual([2, 2, 2]);
  network.receive(b, frame(ALL, B));
  expect(counts()).toEqual([2, 2, 2]);
});

test("groups and nobody are not remembered as senders", () => {
  const { network, a, b, counts } = three();
  network.receive(a, frame(ALL, ALL));
  network.receive(a, frame(ALL, "000000000000"));
  network.receive(b, frame("000000000000", B));
  expect(counts()).toEqual([1, 2, 3]);
});

test("one that makes up a million addresses takes no other one's place", () => {
  const { network, a, b, c } = three();
  network.receive(b, frame(ALL, B));
  for (let number = 0; number < 100_000; number++) {
    network.receive(a, frame(A, (0x020000100000 + number).toString(16).padStart(12, "0")));
  }
  const before = c.got.length;
  network.receive(a, frame(B, A));
  expect(b.got.at(-1)).toBe(frame(B, A).toString("hex"));
  expect(c.got).toHaveLength(before);
});

test("whatever comes: nothing goes back, nothing is changed, nothing is lost that is for all", () => {
  const step = fc.record({ from: fc.nat(2), bytes: fc.uint8Array({ maxLength: 40 }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { network, a, b, c } = three();
      const ports = [a, b, c];
      for (const { from, bytes } of steps) {
        const before = ports.map(({ got }) => got.length);
        network.receive(ports[from] ?? a, Buffer.from(bytes));
        const grown = ports.map(({ got }, index) => got.length - (before[index] ?? 0));
        expect(grown[from]).toBe(0);
        const others = grown.filter((_, index) => index !== from);
        if (bytes.length < 14) expect(others).toEqual([0, 0]);
        else if (((bytes[0] ?? 0) & 1) === 1) expect(others).toEqual([1, 1]);
        else expect(others.every((count) => count <= 1)).toBe(true);
        for (const [index, port] of ports.entries()) {
          if (grown[index] === 1) expect(port.got.at(-1)).toBe(Buffer.from(bytes).toString("hex"));
        }
      }
    }),
  );
});
