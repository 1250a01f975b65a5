import fc from "fast-check";
import { expect, test } from "vitest";
import {
  formatNetwork,
  type NetworkChoice,
  parseNetwork,
  parseStaticAddress,
} from "../../../src/instances/network/choice.ts";

test.each<[string, NetworkChoice]>([
  ["nat", { mode: "nat" }],
  ["none", { mode: "none" }],
  ["bridge", { mode: "bridge" }],
  ["bridge:br0", { mode: "bridge", device: "br0" }],
  ["tap:tap0", { mode: "tap", device: "tap0" }],
  ["vhost:eth0.5", { mode: "vhost", device: "eth0.5" }],
  ["lab", { mode: "network", device: "lab" }],
  ["My_net-2.x", { mode: "network", device: "My_net-2.x" }],
  ["nat,ip=192.168.122.40", { mode: "nat", address: { address: "192.168.122.40" } }],
  ["lab,alias=db,alias=cache", { mode: "network", device: "lab", aliases: ["db", "cache"] }],
  ["lab,mac=52-54-00-12-34-AB", { mode: "network", device: "lab", mac: "52:54:00:12:34:ab" }],
  [
    "bridge:br0,ip=192.0.2.9/24,gw=192.0.2.1,dns=192.0.2.53",
    {
      mode: "bridge",
      device: "br0",
      address: { address: "192.0.2.9", prefix: 24, gateway: "192.0.2.1", nameserver: "192.0.2.53" },
    },
  ],
])("%s", (text, choice) => {
  expect(parseNetwork(text)).toEqual(choice);
  expect(parseNetwork(formatNetwork(choice))).toEqual(choice);
});

test.each([
  ["", "bad-network", "letters, digits"],
  ["-lab", "bad-network", "letters, digits"],
  ["../lab", "bad-network", "letters, digits"],
  ["a b", "bad-network", "letters, digits"],
  ["x".repeat(64), "bad-network", "letters, digits"],
  ["vpnkit", "bad-network", "not here"],
  ["host", "bad-network", "not here"],
  ["nat:eth0", "bad-network", "has no device"],
  ["lab:eth0", "bad-network", "has no device"],
  ["bridge:", "bad-network", "a device is missing"],
  ["bridge:../x", "bad-network", "cannot be a network device"],
  ["tap:a:b", "bad-network", "cannot be a network device"],
  ["tap:sixteen-letters-", "bad-network", "cannot be a network device"],
  ["none,mac=52:54:00:12:34:56", "bad-network", "nothing to set"],
  ["nat,alias=x", "bad-network", "aliases"],
  ["lab,alias=a b", "bad-network", "host name"],
  ["lab,ip=1.2.3.4,ip=1.2.3.5", "bad-network", "twice"],
  ["lab,speed=9", "bad-network", "'speed' is none of"],
  ["nat,gw=1.2.3.4", "bad-network", "go with ip"],
  ["nat,ip=1.2.3", "bad-ip", "not an IPv4 address"],
  ["nat,ip=::1", "bad-ip", "not an IPv4 address"],
  ["nat,ip=1.2.3.4/32", "bad-ip", "bits"],
  ["nat,ip=1.2.3.4/0", "bad-ip", "bits"],
  ["nat,ip=1.2.3.4/x", "bad-ip", "bits"],
  ["nat,ip=1.2.3.4,gw=router", "bad-ip", "router"],
  ["nat,mac=zz", "bad-mac", "zz"],
])("'%s' is a clear error", (text, code, why) => {
  let error: unknown;
  try {
    parseNetwork(text);
  } catch (caught) {
    error = caught;
  }
  expect(error).toMatchObject({ code, exitCode: 64 });
  expect(String(error)).toContain(why);
});

test("an address with what belongs to it", () => {
  expect(parseStaticAddress("192.0.2.9/24,gw=192.0.2.1")).toEqual({
    address: "192.0.2.9",
    prefix: 24,
    gateway: "192.0.2.1",
  });
  for (const text of ["", "eth0", "192.0.2.9,mac=52:54:00:12:34:56", "192.0.2.9,alias=x"]) {
    expect(() => parseStaticAddress(text)).toThrow(expect.objectContaining({ exitCode: 64 }));
  }
});

test("no text breaks it, and what is taken is written so that it is read again", () => {
  const word = fc.constantFrom(
    "nat",
    "lab",
    "bridge:br0",
    "tap:t",
    "none",
    "ip=1.2.3.4/8",
    "gw=1.2.3.4",
    "alias=a",
    ":",
    "=",
    "x",
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(word).map((words) => words.join(",")),
      ),
      (text) => {
        let choice: NetworkChoice;
        try {
          choice = parseNetwork(text);
        } catch (error) {
          expect(error).toMatchObject({ exitCode: 64 });
          return;
        }
        expect(parseNetwork(formatNetwork(choice))).toEqual(choice);
      },
    ),
  );
});
