import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatForward, parseForwards } from "../../src/instances/forwards.ts";

function forward(address: string, hostPort: number, guestPort: number, protocol = "tcp") {
  return { protocol, address, hostPort, guestPort };
}

test.each([
  ["8080", forward("", 8080, 8080)],
  ["8080/udp", forward("", 8080, 8080, "udp")],
])("D9: a lone port, %s, is mapped to itself", (text, expected) => {
  expect(parseForwards([text])).toEqual([expected]);
});

test.each([
  ["8080:80", forward("", 8080, 80)],
  ["1:65535", forward("", 1, 65535)],
  ["8080:80/tcp", forward("", 8080, 80)],
  ["53:5353/UDP", forward("", 53, 5353, "udp")],
  ["127.0.0.1:8080:80", forward("127.0.0.1", 8080, 80)],
  ["localhost:8080:80", forward("127.0.0.1", 8080, 80)],
  ["0.0.0.0:8080:80/udp", forward("0.0.0.0", 8080, 80, "udp")],
  ["[::1]:8080:80", forward("[::1]", 8080, 80)],
  ["[fe80::1]:8080:80/udp", forward("[fe80::1]", 8080, 80, "udp")],
])("%s", (text, expected) => {
  expect(parseForwards([text])).toEqual([expected]);
});

test.each([
  [":80", forward("", 0, 80)],
  ["0:80", forward("", 0, 80)],
  [":80/udp", forward("", 0, 80, "udp")],
  ["127.0.0.1::80", forward("127.0.0.1", 0, 80)],
  ["[::1]:0:80", forward("[::1]", 0, 80)],
])("%s takes any port that is free", (text, expected) => {
  expect(parseForwards([text])).toEqual([expected]);
  expect(parseForwards([text, text])).toHaveLength(2);
});

test.each([
  ["", "a port is missing"],
  ["a:b", "'a' is not a port"],
  ["8080:", "a port is missing"],
  [":", "a port is missing"],
  ["0", "'0' is not a port"],
  ["80:0", "'0' is not a port"],
  ["::80:90", "not of that form"],
  ["8080:65536", "'65536' is not a port"],
  ["99999999999", "is not a port"],
  ["-1:80", "'-1' is not a port"],
  ["8000-8010:80", "'8000-8010' is not a port"],
  ["1:2:3", "'1' is not an IP address"],
  ["300.0.0.1:80:80", "is not an IP address"],
  ["::1:80:80", "not of that form"],
  ["[::g]:80:80", "is not an IP address"],
  ["[127.0.0.1]:80:80", "is not an IP address"],
  ["80:80/icmp", "neither tcp nor udp"],
  ["80:80/", "neither tcp nor udp"],
  ["80:80:80:80", "not of that form"],
  ["8080,80", "is not a port"],
])("D9: '%s' is a clear error", (text, why) => {
  expect(() => parseForwards([text])).toThrow(
    expect.objectContaining({ code: "bad-forward", exitCode: 64, message: expect.stringContaining(why) }),
  );
});

describe("a port that is forwarded twice", () => {
  test.each([
    [["8080:80", "8080:81"]],
    [["8080:80", "127.0.0.1:8080:81"]],
    [["0.0.0.0:8080:80", "127.0.0.1:8080:81"]],
    [["1", "2", "3", "1:5"]],
  ])("is an error: %j", (texts) => {
    expect(() => parseForwards(texts)).toThrow(expect.objectContaining({ code: "duplicate-forward", exitCode: 64 }));
  });

  test.each([[["53", "53/udp"]], [["127.0.0.1:80:80", "127.0.0.2:80:80"]], [["8080:80", "8081:80"]]])(
    "with another protocol, address or port is none: %j",
    (texts) => {
      expect(parseForwards(texts)).toHaveLength(2);
    },
  );
});

test.each([":80", "127.0.0.1::80", "[::1]::80", ":53/udp"])("a port that is still free is shown as %s", (text) => {
  expect(parseForwards([text]).map(formatForward)).toEqual([text]);
});

test("what is formatted is read back", () => {
  const port = fc.integer({ min: 1, max: 65535 });
  const address = fc.constantFrom("", "127.0.0.1", "[::1]");
  const protocol = fc.constantFrom("tcp" as const, "udp" as const);
  fc.assert(
    fc.property(fc.record({ protocol, address, hostPort: port, guestPort: port }), (it) => {
      expect(parseForwards([formatForward(it)])).toEqual([it]);
    }),
  );
});
