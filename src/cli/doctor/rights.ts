import { accessSync, constants, existsSync, readFileSync, type Stats, statSync } from "node:fs";
import { userInfo } from "node:os";
import { isErrno } from "../../support/errors.ts";
import { type Finding, ok, type Patient, warning } from "./finding.ts";

/** Whether this user may use /dev/kvm, and QEMU's bridge helper. */
export function checkRights({ context }: Patient): readonly Finding[] {
  if (process.platform !== "linux") return [];
  return [aboutKvm("/dev/kvm"), aboutBridgeHelper(context.env.CAPSTAN_QEMU_BRIDGE_HELPER)];
}

function aboutKvm(device: string): Finding {
  try {
    accessSync(device, constants.R_OK | constants.W_OK);
    return ok("kvm", `You may use ${device}`);
  } catch (error) {
    if (isErrno(error, "ENOENT")) {
      return warning(
        "kvm",
        `There is no ${device}`,
        "Enable virtualisation in the firmware, or nested virtualisation if this is a virtual machine, and load the module kvm_intel or kvm_amd.",
      );
    }
  }
  const user = userInfo().username;
  const group = groupOf(statSync(device));
  if (group === undefined) {
    return warning(
      "kvm",
      `You may not open ${device}`,
      `Let a group in: sudo chgrp kvm ${device} && sudo chmod 660 ${device}`,
    );
  }
  if (group.members.includes(user)) {
    return warning(
      "kvm",
      `You are in the group ${group.name}, which may open ${device}, but this session began before`,
      "Log out and in again.",
    );
  }
  const cure = `Join the group: sudo usermod -aG ${group.name} ${user}, then log out and in again.`;
  return warning("kvm", `You may not open ${device}, and the group ${group.name} may`, cure);
}

interface Group {
  readonly name: string;
  readonly members: readonly string[];
}

/** The device's group, when it may read and write it and is not root's. */
function groupOf({ gid, mode }: Stats): Group | undefined {
  if (gid === 0 || (mode & 0o060) !== 0o060) return undefined;
  const line = readFileSync("/etc/group", "utf8")
    .split("\n")
    .map((entry) => entry.split(":"))
    .find((fields) => fields[2] === String(gid));
  return line === undefined ? undefined : { name: line[0] ?? "", members: (line[3] ?? "").split(",") };
}

const HELPERS = ["/usr/lib/qemu/qemu-bridge-helper", "/usr/libexec/qemu-bridge-helper"];
const BRIDGE_RULES = "/etc/qemu/bridge.conf";

/** Only -n bridge needs it. */
function aboutBridgeHelper(chosen: string | undefined): Finding {
  const check = "bridge";
  const path = chosen === undefined || chosen === "" ? HELPERS.find((one) => existsSync(one)) : chosen;
  if (path === undefined || !existsSync(path)) {
    const where = path === undefined ? "is not installed" : `is not at ${path}`;
    const cure =
      "Install it: apt-get install qemu-system-common, dnf install qemu-common, or set CAPSTAN_QEMU_BRIDGE_HELPER.";
    return warning(check, `QEMU's bridge helper ${where}: run -n bridge does not work`, cure);
  }
  const isRoot = userInfo().uid === 0;
  const { mode, uid } = statSync(path);
  if (!isRoot && !((mode & 0o4000) !== 0 && uid === 0)) {
    return warning(
      check,
      `${path} is not set-uid root: run -n bridge does not work for you`,
      `Allow it: sudo chmod u+s ${path}`,
    );
  }
  const allowed = allowedBridges();
  if (allowed.length === 0) {
    const cure = `Allow a bridge: echo 'allow virbr0' | sudo tee -a ${BRIDGE_RULES}`;
    return warning(check, `${BRIDGE_RULES} allows no bridge: run -n bridge does not work`, cure);
  }
  return ok(check, `${path} may join ${allowed.join(", ")}`);
}

function allowedBridges(): readonly string[] {
  try {
    const rules = readFileSync(BRIDGE_RULES, "utf8").slice(0, 64 * 1024);
    return [...rules.matchAll(/^\s*(?:allow\s+(\S+)|include\s+(\S+))/gm)].map(
      (found) => found[1] ?? `those of ${found[2]}`,
    );
  } catch {
    return [];
  }
}
