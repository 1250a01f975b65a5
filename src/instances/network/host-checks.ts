import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { CapstanError, ExitCode } from "../../support/errors.ts";

/** This machine, as far as its network devices go. */
export interface NetworkHost {
  readonly platform: string;
  /** Of the user; 0 may do everything. */
  readonly uid: number;
  /** `/`, unless a test has another one. */
  readonly root?: string | undefined;
}

/**
 * Whether QEMU's helper will plug a guest into a bridge.
 * @throws CapstanError `bridge-missing`, `device-down`, `bridge-refused`, `network-unavailable` (69) with the command that cures it
 */
export function checkBridge(bridge: string, helper: string, host: NetworkHost): void {
  checkPlatform("bridge", host);
  const at = place(host);
  if (!exists(at(`/sys/class/net/${bridge}`))) {
    throw unavailable("bridge-missing", `There is no bridge ${bridge}`, makeBridge(bridge));
  }
  if (!exists(at(`/sys/class/net/${bridge}/bridge`))) {
    throw unavailable("bridge-missing", `${bridge} is a network device, but not a bridge`, makeBridge("virbr0"));
  }
  checkUp(bridge, "bridge", host);
  const mode = modeOf(at(helper));
  if (mode === undefined) {
    throw unavailable(
      "bridge-refused",
      `QEMU's bridge helper ${helper} is not there`,
      "Install it (sudo apt-get install qemu-system-common), or name its path in CAPSTAN_QEMU_BRIDGE_HELPER.",
    );
  }
  if (host.uid !== 0 && (mode & 0o4000) === 0) {
    throw unavailable(
      "bridge-refused",
      `QEMU's bridge helper ${helper} may not make devices`,
      `Allow it: sudo chmod u+s ${helper}`,
    );
  }
  // The helper holds them against root too.
  if (isRuledOut(bridge, rulesOf(helper, at))) {
    throw unavailable(
      "bridge-refused",
      `QEMU's bridge helper does not allow the bridge ${bridge}`,
      `Allow it: sudo mkdir -p /etc/qemu && echo 'allow ${bridge}' | sudo tee -a ${RULES}`,
    );
  }
}

/**
 * Whether a tap device is there and may be used.
 * @throws CapstanError `tap-missing`, `tap-refused`, `device-down`, `network-unavailable` (69) with the command that cures it
 */
export function checkTap(device: string, host: NetworkHost): void {
  checkPlatform("tap", host);
  const at = place(host);
  checkTun(host);
  // For root, QEMU would make one, which is connected to nothing.
  if (!exists(at(`/sys/class/net/${device}`))) {
    throw unavailable("tap-missing", `There is no tap device ${device}`, makeTap(device));
  }
  const flags = Number.parseInt(read(at(`/sys/class/net/${device}/tun_flags`)) ?? "", 16);
  if (Number.isNaN(flags) || (flags & IFF_TAP) === 0) {
    throw unavailable("tap-missing", `${device} is a network device, but not a tap device`, makeTap("tap0"));
  }
  const owner = Number(read(at(`/sys/class/net/${device}/owner`)) ?? "-1");
  if (host.uid !== 0 && owner !== host.uid && owner !== -1) {
    throw unavailable(
      "tap-refused",
      `The tap device ${device} belongs to another user`,
      `Make it anew for yours: sudo ip link delete ${device} && ${tapCommand(device)}`,
    );
  }
  checkUp(device, "tap device", host);
}

/**
 * Whether packets can be moved by the kernel of this machine. Without a device, root's own script makes one.
 * @throws CapstanError `vhost-unavailable`, and what checkTap throws (69)
 */
export function checkVhost(device: string | undefined, host: NetworkHost): void {
  checkPlatform("vhost", host);
  if (device !== undefined) checkTap(device, host);
  const path = place(host)("/dev/vhost-net");
  if (!exists(path)) {
    throw unavailable(
      "vhost-unavailable",
      "The kernel of this machine offers no vhost-net",
      "Load it (sudo modprobe vhost_net), or use -n tap.",
    );
  }
  if (!isUsable(path)) {
    throw unavailable(
      "vhost-unavailable",
      "You may not use /dev/vhost-net",
      "Join its group (sudo usermod -aG kvm $USER) and log in again, or use -n tap.",
    );
  }
  if (device !== undefined || host.uid === 0) return;
  throw unavailable(
    "tap-missing",
    "-n vhost without a device makes one, which only root may",
    `${makeTap("tap0")}; then name it: -n vhost:tap0`,
  );
}

/** Linux: include/uapi/linux/if_tun.h. */
const IFF_TAP = 0x0002;
/** Linux: include/uapi/linux/if.h. */
const IFF_UP = 0x1;

/** Nothing passes through a device that is down, and nobody would say so. */
function checkUp(device: string, kind: string, host: NetworkHost): void {
  const flags = Number.parseInt(read(place(host)(`/sys/class/net/${device}/flags`)) ?? "", 16);
  if (Number.isNaN(flags) || (flags & IFF_UP) !== 0) return;
  throw unavailable("device-down", `The ${kind} ${device} is down`, `Switch it on: sudo ip link set ${device} up`);
}

function checkTun(host: NetworkHost): void {
  const path = place(host)("/dev/net/tun");
  if (!exists(path)) {
    throw unavailable(
      "tap-refused",
      "The kernel of this machine offers no tap devices",
      "Load them: sudo modprobe tun",
    );
  }
  if (isUsable(path)) return;
  throw unavailable("tap-refused", "You may not use /dev/net/tun", "Allow it: sudo chmod 0666 /dev/net/tun");
}

function checkPlatform(mode: string, { platform }: NetworkHost): void {
  if (platform === "linux") return;
  throw unavailable("network-unavailable", `-n ${mode} needs Linux`, "Use -n nat, or a network of instances: -n NAME");
}

/** Where distributions' helpers have their rules. */
const RULES = "/etc/qemu/bridge.conf";

/**
 * The helper's rules, undefined where they cannot be read. Without the file, it refuses all; a helper that somebody has built
 * has it in another place.
 */
function rulesOf(helper: string, at: (path: string) => string): string | undefined {
  const path = at(RULES);
  if (exists(path)) return read(path);
  return /^\/usr\/lib(exec)?\//.test(helper) ? "" : undefined;
}

/** Whether the helper's rules do not allow a bridge: it takes one that names it or `all`, and none is a no. */
function isRuledOut(bridge: string, rules: string | undefined): boolean {
  // Often readable by root alone, as the helper is: then it is the helper's to say.
  if (rules === undefined || /^\s*include\s/m.test(rules)) return false;
  const verdicts = [...rules.matchAll(/^\s*(allow|deny)\s+(\S+)/gm)].filter(
    ([, , name]) => name === bridge || name === "all",
  );
  // A denial rules wherever it stands (QEMU: qemu-bridge-helper.c).
  return verdicts.length === 0 || verdicts.some(([, verdict]) => verdict === "deny");
}

function makeBridge(bridge: string): string {
  return `Make it: sudo ip link add ${bridge} type bridge && sudo ip link set ${bridge} up`;
}

function makeTap(device: string): string {
  return `Make it for your user: ${tapCommand(device)}`;
}

function tapCommand(device: string): string {
  return `sudo ip tuntap add dev ${device} mode tap user $USER && sudo ip link set ${device} up`;
}

function place({ root = "/" }: NetworkHost): (path: string) => string {
  return (path) => join(root, path);
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

function modeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.mode;
}

function isUsable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function unavailable(code: string, message: string, hint: string): CapstanError {
  return new CapstanError(message, { code, hint, exitCode: ExitCode.unavailable });
}
