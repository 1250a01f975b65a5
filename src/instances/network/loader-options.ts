import type { StaticAddress } from "./choice.ts";
import { NAT } from "./layout.ts";

/** One card as the guest has to know it. */
export type CardAddress =
  | { readonly mode: "nat"; readonly address?: StaticAddress | undefined }
  /** A network of ours: it answers to questions for names at its gateway's address. */
  | {
      readonly mode: "network";
      readonly address: string;
      readonly netmask: string;
      readonly nameserver: string;
      readonly own?: StaticAddress | undefined;
    }
  | { readonly mode: "other"; readonly address?: StaticAddress | undefined };

/**
 * The options of OSv's loader that give cards their addresses, for the start of a boot command; none where all cards are
 * to ask for theirs.
 *
 * Source: OSv's loader.cc (do_main_thread): with one --ip, no card asks by DHCP. Without, the program starts as soon as one
 * card has its address, and the route and name servers are those of the card that got its address last.
 */
export function loaderOptions(cards: readonly CardAddress[]): string[] {
  const isStatic = cards.some(({ mode, address }) => mode === "network" || address !== undefined);
  if (!isStatic) return [];
  const own = cards.flatMap((card) => (card.mode === "network" ? (card.own ?? []) : (card.address ?? [])));
  const hasNat = cards.some(({ mode }) => mode === "nat");
  const hub = cards.find((card) => card.mode === "network");
  const gateway = own.find((one) => one.gateway !== undefined)?.gateway ?? (hasNat ? NAT.host : undefined);
  const nameserver =
    own.find((one) => one.nameserver !== undefined)?.nameserver ??
    hub?.nameserver ??
    (hasNat ? NAT.nameserver : undefined);
  return [
    ...cards.flatMap((card, index) => ipOption(card, index)),
    ...(gateway === undefined ? [] : [`--defaultgw=${gateway}`]),
    ...(nameserver === undefined ? [] : [`--nameserver=${nameserver}`]),
  ];
}

/** The boot command with these options before it. Options that it has itself come later, and rule. */
export function withLoaderOptions(options: readonly string[], commandLine: string): string {
  return [...options, commandLine].join(" ");
}

function ipOption(card: CardAddress, index: number): string[] {
  const name = `eth${index}`;
  switch (card.mode) {
    case "nat":
      return [`--ip=${name},${card.address?.address ?? NAT.guest},${NAT.netmask}`];
    case "network":
      return [`--ip=${name},${card.address},${card.netmask}`];
    case "other":
      return card.address === undefined
        ? []
        : [`--ip=${name},${card.address.address},${netmask(card.address.prefix ?? 24)}`];
  }
}

function netmask(prefix: number): string {
  return [0, 8, 16, 24].map((done) => 256 - 2 ** (8 - Math.min(8, Math.max(0, prefix - done)))).join(".");
}
