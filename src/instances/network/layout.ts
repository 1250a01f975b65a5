import { CapstanError, ExitCode } from "../../support/errors.ts";
import type { NetworkChoice, StaticAddress } from "./choice.ts";
import { isMemberAddress, subnetOf } from "./hub/addresses.ts";

/** The network of `-n nat`, which the hypervisor itself is (the original's numbers; .3 and .15 are those of QEMU's slirp). */
export const NAT = {
  net: "192.168.122.0/24",
  host: "192.168.122.1",
  guest: "192.168.122.15",
  nameserver: "192.168.122.3",
  netmask: "255.255.255.0",
} as const;

export interface Wanted {
  /** In the order of the cards; an empty one means the usual, which is nat. */
  readonly networks: readonly NetworkChoice[];
  /** How many ports are forwarded. */
  readonly forwards: number;
}

/** More cards than that are a mistake; each takes one of the machine's 32 places. */
const MOST_CARDS = 8;

/**
 * The cards of a guest: what is asked for, checked as far as it can be without a look at this machine. Ports are forwarded
 * by a card of nat: where all others are networks of ours, it is added.
 * @throws CapstanError `bad-network`, `bad-ip` (64)
 */
export function layOut({ networks, forwards }: Wanted): readonly NetworkChoice[] {
  const cards = networks.length === 0 ? [{ mode: "nat" } as const] : networks.filter(({ mode }) => mode !== "none");
  if (cards.length < networks.length && networks.length > 1) {
    throw bad("-n none goes with no other network", "Leave one of them out.");
  }
  if (cards.length > MOST_CARDS) throw bad(`${cards.length} networks are too many`, `Give at most ${MOST_CARDS}.`);
  for (const [index, card] of cards.entries()) check(card, cards.slice(0, index));
  const all = forwards > 0 ? withNat(cards) : cards;
  const needsAll = all.some((card) => card.mode === "network" || card.address !== undefined);
  for (const card of needsAll ? all : []) checkAddress(card);
  return all;
}

/**
 * The addresses of --ip, given in their order to the cards that have none yet; nat, which has one anyway, comes last.
 * @throws CapstanError `bad-ip` (64)
 */
export function withAddresses(
  networks: readonly NetworkChoice[],
  addresses: readonly StaticAddress[],
): readonly NetworkChoice[] {
  if (addresses.length === 0) return networks;
  const cards = networks.length === 0 ? [{ mode: "nat" } as const] : networks;
  const open = cards.filter(({ address, mode }) => address === undefined && mode !== "none");
  const ordered = [...open.filter(({ mode }) => mode !== "nat"), ...open.filter(({ mode }) => mode === "nat")];
  if (addresses.length > ordered.length) {
    throw badIp("There are more addresses (--ip) than networks that could have them", "Leave some out.");
  }
  const given = new Map(addresses.map((address, index) => [ordered[index], address]));
  return cards.map((card) => ({ ...card, address: card.address ?? given.get(card) }));
}

function check(card: NetworkChoice, earlier: readonly NetworkChoice[]): void {
  const { mode, device } = card;
  if (mode === "tap" && device === undefined) throw bad("-n tap needs a tap device", "Name it: -n tap:tap0");
  if (mode === "network" && device === undefined) throw bad("The network has no name", "Name it: -n lab");
  const same = earlier.find((other) => other.mode === mode && other.device === device);
  if (same === undefined || mode === "bridge") return;
  throw bad(`The network ${device ?? mode} is given twice`, "A guest has one card in each.");
}

function withNat(cards: readonly NetworkChoice[]): readonly NetworkChoice[] {
  if (cards.some(({ mode }) => mode === "nat")) return cards;
  const foreign = cards.find(({ mode }) => mode !== "network");
  if (foreign !== undefined) {
    throw bad(
      `Ports are forwarded with -n nat, not with -n ${foreign.mode}`,
      "Leave -f out: the guest has an address of its own.",
    );
  }
  if (cards.length === 0) throw bad("Ports are forwarded with -n nat, not with -n none", "Leave one of them out.");
  return [...cards, { mode: "nat" }];
}

/** OSv asks for addresses on all cards or on none: as soon as one has its own, each must. */
function checkAddress({ mode, device, address }: NetworkChoice): void {
  switch (mode) {
    case "nat": {
      const isInside = address === undefined || isOfNat(address.address);
      if (!isInside)
        throw badIp(`${address.address} is not one for nat`, "Choose one from 192.168.122.4 to 192.168.122.254.");
      return;
    }
    case "network": {
      const subnet = subnetOf(device ?? "");
      if (address === undefined || isMemberAddress(address.address, subnet)) return;
      throw badIp(
        `${address.address} is not one for the network ${device}`,
        `Choose one from ${subnet.base}.2 to ${subnet.base}.254.`,
      );
    }
    default:
      if (address === undefined) {
        throw badIp(
          `The card of -n ${mode} needs an address, as another one of the guest has its own`,
          `Give it with the network: -n ${mode}${device === undefined ? "" : `:${device}`},ip=ADDRESS/BITS`,
        );
      }
      if (address.prefix !== undefined) return;
      throw badIp(
        `The size of the network of ${address.address} is missing`,
        `Write it behind the address: ${address.address}/24`,
      );
  }
}

function isOfNat(address: string): boolean {
  const last = /^192\.168\.122\.(\d+)$/.exec(address)?.[1];
  return Number(last) >= 4 && Number(last) <= 254;
}

function bad(message: string, hint: string): CapstanError {
  return new CapstanError(message, { code: "bad-network", hint, exitCode: ExitCode.usage });
}

function badIp(message: string, hint: string): CapstanError {
  return new CapstanError(message, { code: "bad-ip", hint, exitCode: ExitCode.usage });
}
