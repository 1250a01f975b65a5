import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { checkBridge, checkTap, checkVhost, type NetworkHost } from "../../../src/instances/network/host-checks.ts";
import { temporaryFolder } from "../../hypervisors/tiny-guest.ts";

/** A machine with these files; a path that ends in a slash is a folder. */
function machine(files: Readonly<Record<string, string | undefined>>, changes: Partial<NetworkHost> = {}): NetworkHost {
  const root = temporaryFolder();
  for (const [path, text] of Object.entries(files)) {
    if (text === undefined) continue;
    const full = join(root, path);
    mkdirSync(path.endsWith("/") ? full : dirname(full), { recursive: true });
    if (!path.endsWith("/")) writeFileSync(full, text);
    if (text === "suid") chmodSync(full, 0o4755);
  }
  return { platform: "linux", uid: 1000, root, ...changes };
}

const BRIDGE = { "/sys/class/net/br0/bridge/": "", "/helper": "suid", "/etc/qemu/bridge.conf": "allow br0\n" };
const HELPER = "/usr/lib/qemu/qemu-bridge-helper";
/** Nobody can read a folder as a file, not even root. */
const UNREADABLE = { "/etc/qemu/bridge.conf/": "" };
const TAP = { "/dev/net/tun": "", "/sys/class/net/tap0/tun_flags": "0x1002\n", "/sys/class/net/tap0/owner": "1000\n" };
const VHOST = { ...TAP, "/dev/vhost-net": "" };

describe("what is there is let pass", () => {
  test.each<[string, () => void]>([
    ["a bridge that is allowed", () => checkBridge("br0", "/helper", machine(BRIDGE))],
    [
      "a bridge among many",
      () =>
        checkBridge(
          "br0",
          "/helper",
          machine({ ...BRIDGE, "/etc/qemu/bridge.conf": "# mine\nallow x\n  allow all\n" }),
        ),
    ],
    [
      "rules that only the helper may read",
      () => checkBridge("br0", "/helper", machine({ ...BRIDGE, "/etc/qemu/bridge.conf": undefined, ...UNREADABLE })),
    ],
    [
      "rules of a helper that somebody has built, and that lie elsewhere",
      () => checkBridge("br0", "/helper", machine({ "/sys/class/net/br0/bridge/": "", "/helper": "suid" })),
    ],
    [
      "rules in another file",
      () =>
        checkBridge("br0", "/helper", machine({ ...BRIDGE, "/etc/qemu/bridge.conf": "include /etc/qemu/mine.conf\n" })),
    ],
    [
      "root, with a helper without rights",
      () => checkBridge("br0", "/helper", machine({ ...BRIDGE, "/helper": "" }, { uid: 0 })),
    ],
    ["a tap device of the user", () => checkTap("tap0", machine(TAP))],
    ["a tap device of nobody", () => checkTap("tap0", machine({ ...TAP, "/sys/class/net/tap0/owner": "-1\n" }))],
    [
      "a tap device of another user, for root",
      () => checkTap("tap0", machine({ ...TAP, "/sys/class/net/tap0/owner": "7\n" }, { uid: 0 })),
    ],
    ["a tap device that is up", () => checkTap("tap0", machine({ ...TAP, "/sys/class/net/tap0/flags": "0x1003\n" }))],
    ["vhost with a device", () => checkVhost("tap0", machine(VHOST))],
    ["vhost without one, for root", () => checkVhost(undefined, machine(VHOST, { uid: 0 }))],
  ])("%s", (_, check) => {
    expect(check).not.toThrow();
  });
});

describe("what is missing is told, with the command that cures it", () => {
  test.each<[string, () => void, string, string]>([
    [
      "another system",
      () => checkBridge("br0", "/h", machine({}, { platform: "darwin" })),
      "network-unavailable",
      "-n nat",
    ],
    [
      "no bridge",
      () => checkBridge("br1", "/helper", machine(BRIDGE)),
      "bridge-missing",
      "ip link add br1 type bridge",
    ],
    [
      "no bridge, but a card",
      () => checkBridge("eth0", "/helper", machine({ ...BRIDGE, "/sys/class/net/eth0/": "" })),
      "bridge-missing",
      "type bridge",
    ],
    ["no helper", () => checkBridge("br0", "/nowhere", machine(BRIDGE)), "bridge-refused", "qemu-system-common"],
    [
      "a helper without rights",
      () => checkBridge("br0", "/helper", machine({ ...BRIDGE, "/helper": "" })),
      "bridge-refused",
      "chmod u+s /helper",
    ],
    [
      "a bridge that no rule allows",
      () => checkBridge("br0", "/helper", machine({ ...BRIDGE, "/etc/qemu/bridge.conf": "allow br1\n" })),
      "bridge-refused",
      "echo 'allow br0'",
    ],
    [
      "a bridge that a rule denies",
      () => checkBridge("br0", "/helper", machine({ ...BRIDGE, "/etc/qemu/bridge.conf": "deny br0\nallow all\n" })),
      "bridge-refused",
      "bridge.conf",
    ],
    [
      "no rules, for root too",
      () => checkBridge("br0", HELPER, machine({ "/sys/class/net/br0/bridge/": "", [HELPER]: "suid" }, { uid: 0 })),
      "bridge-refused",
      "mkdir -p /etc/qemu && echo 'allow br0'",
    ],
    [
      "empty rules, for root too",
      () => checkBridge("br0", "/helper", machine({ ...BRIDGE, "/etc/qemu/bridge.conf": "" }, { uid: 0 })),
      "bridge-refused",
      "echo 'allow br0'",
    ],
    [
      "a bridge that is down",
      () => checkBridge("br0", "/helper", machine({ ...BRIDGE, "/sys/class/net/br0/flags": "0x1002\n" })),
      "device-down",
      "sudo ip link set br0 up",
    ],
    [
      "no such tap device, for root too",
      () => checkTap("tap1", machine(TAP, { uid: 0 })),
      "tap-missing",
      "ip tuntap add",
    ],
    [
      "a tap device that is down",
      () => checkTap("tap0", machine({ ...TAP, "/sys/class/net/tap0/flags": "0x1002\n" }, { uid: 0 })),
      "device-down",
      "sudo ip link set tap0 up",
    ],
    ["no tap devices at all", () => checkTap("tap0", machine({})), "tap-refused", "modprobe tun"],
    ["no such tap device", () => checkTap("tap1", machine(TAP)), "tap-missing", "ip tuntap add dev tap1 mode tap user"],
    [
      "no tap device, but a card",
      () => checkTap("eth0", machine({ ...TAP, "/sys/class/net/eth0/": "" })),
      "tap-missing",
      "ip tuntap add",
    ],
    [
      "a tun device",
      () => checkTap("tap0", machine({ ...TAP, "/sys/class/net/tap0/tun_flags": "0x1001\n" })),
      "tap-missing",
      "ip tuntap add",
    ],
    [
      "a tap device of another user",
      () => checkTap("tap0", machine({ ...TAP, "/sys/class/net/tap0/owner": "7\n" })),
      "tap-refused",
      "ip link delete tap0",
    ],
    ["no vhost", () => checkVhost("tap0", machine(TAP)), "vhost-unavailable", "modprobe vhost_net"],
    ["vhost without a device, for a user", () => checkVhost(undefined, machine(VHOST)), "tap-missing", "-n vhost:tap0"],
  ])("%s", (_, check, code, cure) => {
    expect(check).toThrow(expect.objectContaining({ code, exitCode: 69, hint: expect.stringContaining(cure) }));
  });
});
