import { describe, expect, test } from "vitest";
import { parseNetwork, parseStaticAddress } from "../../../src/instances/network/choice.ts";
import { subnetOf } from "../../../src/instances/network/hub/addresses.ts";
import { layOut, withAddresses } from "../../../src/instances/network/layout.ts";
import { loaderOptions, withLoaderOptions } from "../../../src/instances/network/loader-options.ts";

const lab = subnetOf("lab").base;

function cards(texts: readonly string[], forwards = 0): string[] {
  return layOut({ networks: texts.map(parseNetwork), forwards }).map(({ mode, device }) => device ?? mode);
}

describe("the cards of a guest", () => {
  test.each<[string[], number, string[]]>([
    [[], 0, ["nat"]],
    [[], 1, ["nat"]],
    [["none"], 0, []],
    [["lab"], 0, ["lab"]],
    [["lab"], 1, ["lab", "nat"]],
    [["nat", "lab"], 1, ["nat", "lab"]],
    [["lab", "other"], 2, ["lab", "other", "nat"]],
    [["bridge:br0", "nat"], 1, ["br0", "nat"]],
    [["bridge:br0", "bridge:br0"], 0, ["br0", "br0"]],
  ])("%j with %i forwardings: %j", (texts, forwards, expected) => {
    expect(cards(texts, forwards)).toEqual(expected);
  });

  test.each<[string[], number, string, string]>([
    [["tap"], 0, "bad-network", "needs a tap device"],
    [["nat", "nat"], 0, "bad-network", "nat is given twice"],
    [["lab", "lab"], 0, "bad-network", "lab is given twice"],
    [["tap:t", "tap:t"], 0, "bad-network", "t is given twice"],
    [["bridge"], 1, "bad-network", "not with -n bridge"],
    [["lab", "tap:t"], 1, "bad-network", "not with -n tap"],
    [["none"], 1, "bad-network", "not with -n none"],
    [["none", "lab"], 0, "bad-network", "no other network"],
    [["a", "b", "c", "d", "e", "f", "g", "h", "i"], 0, "bad-network", "too many"],
    [["lab", "bridge:br0"], 0, "bad-ip", "needs an address"],
    [["bridge:br0,ip=192.0.2.9"], 0, "bad-ip", "192.0.2.9/24"],
    [["nat,ip=10.0.0.1"], 0, "bad-ip", "not one for nat"],
    [["nat,ip=192.168.122.1"], 0, "bad-ip", "not one for nat"],
    [["lab,ip=192.0.2.9"], 0, "bad-ip", "not one for the network lab"],
    [[`lab,ip=${lab}.1`], 0, "bad-ip", "not one for the network lab"],
    [[`lab,ip=${lab}.255`], 0, "bad-ip", "not one for the network lab"],
  ])("%j with %i forwardings is a clear error", (texts, forwards, code, text) => {
    expect(() => cards(texts, forwards)).toThrow(
      expect.objectContaining({ code, exitCode: 64, hint: expect.any(String) }),
    );
    try {
      cards(texts, forwards);
    } catch (error) {
      expect(`${error} ${(error as { hint?: string }).hint}`).toContain(text);
    }
  });
});

describe("addresses of --ip", () => {
  test.each<[string[], string[], (string | undefined)[]]>([
    [[], ["192.168.122.40"], ["192.168.122.40"]],
    [["nat", "bridge:br0"], ["192.0.2.9/24"], [undefined, "192.0.2.9"]],
    [
      ["bridge:a", "bridge:b"],
      ["192.0.2.9/24", "192.0.2.10/24"],
      ["192.0.2.9", "192.0.2.10"],
    ],
    [["bridge:a,ip=192.0.2.1/24", "bridge:b"], ["192.0.2.10/24"], ["192.0.2.1", "192.0.2.10"]],
    [
      ["nat", "lab"],
      [`${lab}.5`, "192.168.122.40"],
      ["192.168.122.40", `${lab}.5`],
    ],
  ])("%j with %j", (texts, addresses, expected) => {
    const all = withAddresses(texts.map(parseNetwork), addresses.map(parseStaticAddress));
    expect(all.map(({ address }) => address?.address)).toEqual(expected);
  });

  test("more than there are cards are an error", () => {
    expect(() => withAddresses([], [{ address: "192.168.122.40" }, { address: "192.168.122.41" }])).toThrow(
      expect.objectContaining({ code: "bad-ip", exitCode: 64 }),
    );
  });
});

describe("what OSv's loader is told", () => {
  const network = {
    mode: "network",
    address: "10.128.0.5",
    netmask: "255.255.255.0",
    nameserver: "10.128.0.1",
  } as const;

  test.each<[string, Parameters<typeof loaderOptions>[0], string]>([
    ["nothing where all ask", [{ mode: "nat" }, { mode: "other" }], ""],
    ["a network alone", [network], "--ip=eth0,10.128.0.5,255.255.255.0 --nameserver=10.128.0.1"],
    [
      "a network and nat, which cannot ask then",
      [network, { mode: "nat" }],
      "--ip=eth0,10.128.0.5,255.255.255.0 --ip=eth1,192.168.122.15,255.255.255.0 --defaultgw=192.168.122.1 --nameserver=10.128.0.1",
    ],
    [
      "nat with an address",
      [{ mode: "nat", address: { address: "192.168.122.40" } }],
      "--ip=eth0,192.168.122.40,255.255.255.0 --defaultgw=192.168.122.1 --nameserver=192.168.122.3",
    ],
    [
      "a bridge with everything",
      [{ mode: "other", address: { address: "192.0.2.9", prefix: 26, gateway: "192.0.2.1", nameserver: "192.0.2.2" } }],
      "--ip=eth0,192.0.2.9,255.255.255.192 --defaultgw=192.0.2.1 --nameserver=192.0.2.2",
    ],
    [
      "a bridge with an address alone",
      [{ mode: "other", address: { address: "172.16.0.9", prefix: 12 } }],
      "--ip=eth0,172.16.0.9,255.240.0.0",
    ],
  ])("%s", (_, all, expected) => {
    expect(loaderOptions(all).join(" ")).toBe(expected);
  });

  test("stands before the command, which stays as it is where there is nothing to tell", () => {
    expect(withLoaderOptions([], "--env=A=b /hello")).toBe("--env=A=b /hello");
    expect(withLoaderOptions(["--ip=x", "--defaultgw=y"], "--env=A=b /hello")).toBe(
      "--ip=x --defaultgw=y --env=A=b /hello",
    );
  });
});
