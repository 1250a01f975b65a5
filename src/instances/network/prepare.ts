import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Forward, Network, NetworkCard } from "../../hypervisors/machine.ts";
import type { QemuCapabilities } from "../../hypervisors/qemu/capabilities.ts";
import { chooseMonitorPath } from "../../hypervisors/qemu/monitor-path.ts";
import type { Context } from "../../support/context.ts";
import { CapstanError, ExitCode } from "../../support/errors.ts";
import { stableMac } from "../mac.ts";
import type { NetworkChoice } from "./choice.ts";
import { checkBridge, checkTap, checkVhost, type NetworkHost } from "./host-checks.ts";
import { type HostsEntry, hostNameOf } from "./host-names.ts";
import { subnetOf } from "./hub/addresses.ts";
import { join as joinNetwork, type Membership } from "./hub/membership.ts";
import { hubProgram } from "./hub/program.ts";
import { layOut, NAT } from "./layout.ts";
import { type CardAddress, loaderOptions } from "./loader-options.ts";
import { checkPorts, readPorts } from "./ports.ts";

export interface NetworksInput {
  /** $CAPSTAN_ROOT. */
  readonly root: string;
  /** Of the instance, and its folder. */
  readonly name: string;
  readonly folder: string;
  /** What tells this machine and its $CAPSTAN_ROOT from others. */
  readonly place: string;
  readonly config: {
    readonly networks: readonly NetworkChoice[];
    readonly forwards: readonly Forward[];
    /** Of the first card. */
    readonly mac?: string | undefined;
  };
  readonly capabilities: Pick<QemuCapabilities, "streamNetdev">;
  readonly host: NetworkHost;
  /** The hub's program; that of this installation without it. */
  readonly hubProgram?: readonly string[] | undefined;
}

export interface PreparedNetworks {
  readonly cards: readonly NetworkCard[];
  /** For the start of the boot command (withLoaderOptions); they are good for this start only. */
  readonly loaderOptions: readonly string[];
  /** What the guest's /etc/hosts should know; empty without a network of instances. */
  readonly hosts: readonly HostsEntry[];
  /** The forwardings with the host ports that were really taken. To be asked of QEMU once it is up. */
  readForwards(monitor: string): Promise<readonly Forward[]>;
  /** Gives up the places in networks. Synchronous, and harmless when called again. */
  leave(): void;
}

/**
 * Does what a guest's networks take before it is started: checks devices of this machine and ports, and joins networks.
 * @throws CapstanError of many codes; then nothing is left behind
 */
export async function prepareNetworks(input: NetworksInput, context: Context): Promise<PreparedNetworks> {
  const { config, root } = input;
  const choices = layOut({ networks: config.networks, forwards: config.forwards.length });
  for (const choice of choices) checkChoice(choice, input, context);
  await checkPorts(config.forwards, root);
  const memberships: Membership[] = [];
  const leave = () => {
    for (const membership of memberships.splice(0)) membership.leave();
  };
  try {
    const joined: CardInput[] = [];
    for (const [index, choice] of choices.entries()) {
      const card = { choice, index, socket: chooseSocket(choice, index, input, context) };
      const membership = choice.mode === "network" ? await joinOne(card, { input, context, choices }) : undefined;
      if (membership !== undefined) memberships.push(membership);
      joined.push({ ...card, membership });
    }
    return {
      cards: joined.map((card) => toCard(card, input, context.env)),
      loaderOptions: loaderOptions(joined.map(toAddress)),
      hosts: joined.flatMap(({ membership }) => membership?.members ?? []).filter(({ names }) => names.length > 0),
      readForwards: (monitor) => readPorts(config.forwards, monitor),
      leave,
    };
  } catch (error) {
    leave();
    throw error;
  }
}

/** The same cards without a look at this machine, and without joining anything: what a dry run shows. */
export function foreseeNetworks(
  input: NetworksInput,
  env: Context["env"],
): Pick<PreparedNetworks, "cards" | "loaderOptions"> {
  const choices = layOut({ networks: input.config.networks, forwards: input.config.forwards.length });
  const cards = choices.map((choice, index) => ({ choice, index, socket: socketPath(index, input) }));
  return {
    cards: cards.map((card) => toCard(card, input, env)),
    // Where it is a network's to give, the address is not known: a dry run shows none.
    loaderOptions: choices.some(({ mode }) => mode === "network") ? [] : loaderOptions(cards.map(toAddress)),
  };
}

interface CardInput {
  readonly choice: NetworkChoice;
  readonly index: number;
  /** Where QEMU listens for the hub. */
  readonly socket: string;
  readonly membership?: Membership | undefined;
}

function checkChoice({ mode, device }: NetworkChoice, { host, capabilities }: NetworksInput, { env }: Context): void {
  if (mode === "bridge") checkBridge(device ?? USUAL_BRIDGE, bridgeHelper(env), host);
  if (mode === "tap") checkTap(device ?? "", host);
  if (mode === "vhost") checkVhost(device, host);
  if (mode !== "network" || capabilities.streamNetdev) return;
  throw new CapstanError(`This QEMU is too old for the network ${device}: it takes 7.2 or newer`, {
    code: "network-unavailable",
    hint: "Install a newer QEMU, and set CAPSTAN_QEMU_PATH if it is not the first one on PATH.",
    exitCode: ExitCode.unavailable,
  });
}

function joinOne(
  { choice, socket }: CardInput,
  { input, context, choices }: { input: NetworksInput; context: Context; choices: readonly NetworkChoice[] },
): Promise<Membership> {
  const ownName = hostNameOf(input.name);
  return joinNetwork({
    root: input.root,
    network: choice.device ?? "",
    hubProgram: input.hubProgram ?? hubProgram(),
    env: context.env,
    signal: context.signal,
    reporter: context.reporter,
    request: {
      name: input.name,
      names: [...(ownName === undefined ? [] : [ownName]), ...(choice.aliases ?? [])],
      socket,
      address: choice.address?.address,
      fixed: choice.address !== undefined,
      outside: choices.some(({ mode }) => mode === "nat"),
    },
  });
}

function chooseSocket({ mode }: NetworkChoice, index: number, input: NetworksInput, { env }: Context): string {
  const usual = socketPath(index, input);
  return mode === "network" ? chooseMonitorPath(usual, env).path : usual;
}

function socketPath(index: number, { folder }: NetworksInput): string {
  return join(folder, `net${index}`);
}

function toCard({ choice, index, socket }: CardInput, input: NetworksInput, env: Context["env"]): NetworkCard {
  const mac = choice.mac ?? (index === 0 ? input.config.mac : undefined) ?? usualMac(choice, index, input);
  return { network: toNetwork({ choice, index, socket }, input, env), mac };
}

/**
 * On a network with others a card's address must be its own, and the same at every start, as leases depend on it. Alone with
 * QEMU, the usual one does.
 */
function usualMac({ mode }: NetworkChoice, index: number, { place, name }: NetworksInput): string | undefined {
  if (mode === "nat" && index === 0) return undefined;
  return index === 0 ? stableMac(place, name) : stableMac(place, name, String(index));
}

function toNetwork({ choice, socket }: CardInput, { config }: NetworksInput, env: Context["env"]): Network {
  const { mode, device, address } = choice;
  switch (mode) {
    case "bridge":
      return { kind: "bridge", bridge: device ?? USUAL_BRIDGE, helper: bridgeHelper(env) };
    case "tap":
      return { kind: "tap", ifname: device ?? "" };
    case "vhost":
      return { kind: "vhost", ifname: device };
    case "network":
      return { kind: "wire", socket };
    default:
      return { kind: "user", forwards: config.forwards, net: NAT.net, host: NAT.host, guest: address?.address };
  }
}

function toAddress({ choice, membership }: CardInput): CardAddress {
  const { mode, device, address } = choice;
  if (mode === "nat") return { mode, address };
  if (mode !== "network") return { mode: "other", address };
  const { netmask, gateway } = subnetOf(device ?? "");
  return { mode, address: membership?.address ?? "", netmask, nameserver: gateway, own: address };
}

const USUAL_BRIDGE = "virbr0";
const BRIDGE_HELPERS = ["/usr/lib/qemu/qemu-bridge-helper", "/usr/libexec/qemu-bridge-helper"] as const;

function bridgeHelper(env: Context["env"]): string {
  const chosen = env.CAPSTAN_QEMU_BRIDGE_HELPER;
  if (chosen !== undefined && chosen !== "") return chosen;
  return BRIDGE_HELPERS.find((path) => existsSync(path)) ?? BRIDGE_HELPERS[0];
}
