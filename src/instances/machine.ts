import { existsSync } from "node:fs";
import type { Boot, MachineDescription, MachineDisk, Network } from "../hypervisors/machine.ts";
import { CapstanError, ExitCode } from "../support/errors.ts";
import type { InstanceConfig } from "./config.ts";
import { stableMac } from "./mac.ts";

export interface MachineInput {
  readonly name: string;
  readonly config: Omit<InstanceConfig, "commandLine">;
  /** What tells this machine and its $CAPSTAN_ROOT from others. */
  readonly place: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly acceleration: MachineDescription["acceleration"];
  readonly boot: Boot;
  readonly disk: MachineDisk;
  readonly monitor: string;
}

/** The machine that an instance is. */
export function machineOf(input: MachineInput): MachineDescription {
  const { config, name } = input;
  const network = networkOf(config, input.env);
  return {
    name,
    memory: config.memory,
    cpus: config.cpus,
    acceleration: input.acceleration,
    boot: input.boot,
    disks: [input.disk, ...config.volumes],
    network,
    // On a network with others the address must be its own, and the same at every start, as leases depend on it.
    mac: config.mac ?? (network.kind === "user" ? undefined : stableMac(input.place, name)),
    monitor: input.monitor,
  };
}

/** @throws CapstanError `bad-network` (64) */
export function networkOf(
  { network: { mode, device }, forwards }: Pick<InstanceConfig, "network" | "forwards">,
  env: MachineInput["env"],
): Network {
  if (mode !== "nat" && forwards.length > 0) {
    throw badNetwork(
      `Ports are forwarded with -n nat, not with -n ${mode}`,
      "Leave -f out: the guest has an address of its own.",
    );
  }
  switch (mode) {
    case "nat":
      return { kind: "user", forwards, net: "192.168.122.0/24", host: "192.168.122.1" };
    case "bridge":
      return { kind: "bridge", bridge: device ?? "virbr0", helper: bridgeHelper(env) };
    case "tap":
      if (device === undefined) throw badNetwork("-n tap needs a tap device", "Name it: -n tap -b tap0");
      return { kind: "tap", ifname: device };
    case "vhost":
      return { kind: "vhost", ifname: device };
  }
}

const BRIDGE_HELPERS = ["/usr/lib/qemu/qemu-bridge-helper", "/usr/libexec/qemu-bridge-helper"] as const;

function bridgeHelper(env: MachineInput["env"]): string {
  const chosen = env.CAPSTAN_QEMU_BRIDGE_HELPER;
  if (chosen !== undefined && chosen !== "") return chosen;
  return BRIDGE_HELPERS.find((path) => existsSync(path)) ?? BRIDGE_HELPERS[0];
}

function badNetwork(message: string, hint: string): CapstanError {
  return new CapstanError(message, { code: "bad-network", hint, exitCode: ExitCode.usage });
}
