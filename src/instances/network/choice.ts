import { isIPv4 } from "node:net";
import { CapstanError, ExitCode } from "../../support/errors.ts";
import { parseMac } from "../mac.ts";
import { isHostName } from "./hub/protocol.ts";

export const networkModes = ["nat", "bridge", "tap", "vhost", "network", "none"] as const;

/** `network` is one in user space, that other instances join too; `none`, no card at all. */
export type NetworkMode = (typeof networkModes)[number];

/** What one network card of a guest is connected to. */
export interface NetworkChoice {
  readonly mode: NetworkMode;
  /** The bridge or tap device, the mode's usual one without it; the name of a `network`. */
  readonly device?: string | undefined;
  /** Its own address, instead of one that it is given. */
  readonly address?: StaticAddress | undefined;
  readonly mac?: string | undefined;
  /** Further host names that lead to it in a `network`. */
  readonly aliases?: readonly string[] | undefined;
}

/** All IPv4. */
export interface StaticAddress {
  readonly address: string;
  /** How many bits of it are the network's; known where the network is ours. */
  readonly prefix?: number | undefined;
  readonly gateway?: string | undefined;
  readonly nameserver?: string | undefined;
}

/**
 * A network as users write it: `nat`, `none`, `bridge[:DEVICE]`, `tap:DEVICE`, `vhost[:DEVICE]` or the name of a network, and
 * behind it `,ip=ADDRESS[/BITS]`, `,gw=ADDRESS`, `,dns=ADDRESS`, `,mac=ADDRESS`, `,alias=NAME`, the last one repeatedly.
 * @throws CapstanError `bad-network`, `bad-ip`, `bad-mac` (64)
 */
export function parseNetwork(text: string): NetworkChoice {
  const [word = "", ...settings] = text.split(",");
  const { mode, device } = parseWord(word);
  const aliases: string[] = [];
  const found = new Map<string, string>();
  for (const setting of settings) {
    const [key = "", value = ""] = splitOnce(setting, "=");
    if (key === "alias") aliases.push(parseAlias(value));
    else if (found.has(key)) throw badNetwork(text, `'${key}' is given twice`);
    else if (["ip", "gw", "dns", "mac"].includes(key)) found.set(key, value);
    else throw badNetwork(text, `'${key}' is none of ip, gw, dns, mac and alias`);
  }
  const [ip, gw, dns, mac] = ["ip", "gw", "dns", "mac"].map((key) => found.get(key));
  if (ip === undefined && (gw ?? dns) !== undefined) throw badNetwork(text, "gw and dns go with ip");
  if (mode === "none" && settings.length > 0) throw badNetwork(text, "without a card there is nothing to set");
  if (mode !== "network" && aliases.length > 0)
    throw badNetwork(text, "only in a network with others there are aliases");
  return {
    mode,
    ...(device === undefined ? {} : { device }),
    ...(ip === undefined
      ? {}
      : { address: { ...parseAddress(ip), ...addressOf("gateway", gw), ...addressOf("nameserver", dns) } }),
    ...(mac === undefined ? {} : { mac: parseMac(mac) }),
    ...(aliases.length === 0 ? {} : { aliases }),
  };
}

/** As parseNetwork reads it. */
export function formatNetwork({ mode, device, address, mac, aliases = [] }: NetworkChoice): string {
  const word = mode === "network" ? (device ?? "") : [mode, ...(device === undefined ? [] : [device])].join(":");
  return [
    word,
    ...(address === undefined ? [] : formatAddress(address)),
    ...(mac === undefined ? [] : [`mac=${mac}`]),
    ...aliases.map((alias) => `alias=${alias}`),
  ].join(",");
}

/**
 * The value of `--ip`: `ADDRESS[/BITS][,gw=ADDRESS][,dns=ADDRESS]`.
 * @throws CapstanError `bad-ip`, `bad-network` (64)
 */
export function parseStaticAddress(text: string): StaticAddress {
  const [address = "", ...settings] = text.split(",");
  const choice = parseNetwork(["nat", `ip=${address}`, ...settings].join(","));
  if (choice.address === undefined || choice.mac !== undefined) throw badIp(text, "only gw and dns go with it");
  return choice.address;
}

function parseWord(word: string): Pick<NetworkChoice, "mode" | "device"> {
  const [name = "", device] = splitOnce(word, ":");
  if (device === "") throw badNetwork(word, "a device is missing behind the colon");
  if (name === "bridge" || name === "tap" || name === "vhost") {
    if (device !== undefined && !isDeviceName(device)) throw badNetwork(word, `'${device}' cannot be a network device`);
    return { mode: name, device };
  }
  if (device !== undefined) throw badNetwork(word, `'${name}' has no device`);
  if (name === "nat" || name === "none") return { mode: name };
  if (RESERVED.includes(name)) throw badNetwork(word, `'${name}' is a way of networking that there is not here`);
  if (!/^[a-z0-9][a-z0-9_.-]{0,62}$/i.test(name))
    throw badNetwork(word, "a network has letters, digits, dots, dashes and underscores in its name");
  return { mode: "network", device: name };
}

/** Words of the original and of others that mean something else than a network's name. */
const RESERVED: readonly string[] = ["vnet", "vpnkit", "user", "host", "network", "container"];

/** As the Linux kernel takes them (net/core/dev.c: dev_valid_name). */
export function isDeviceName(name: string): boolean {
  return /^[^\s/:]{1,15}$/.test(name) && name !== "." && name !== "..";
}

function parseAddress(text: string): StaticAddress {
  const [address = "", bits] = splitOnce(text, "/");
  if (!isIPv4(address)) throw badIp(text, `'${address}' is not an IPv4 address`);
  if (bits === undefined) return { address };
  const prefix = /^\d{1,2}$/.test(bits) ? Number(bits) : 0;
  if (prefix < 1 || prefix > 31) throw badIp(text, `'${bits}' is not a number of bits from 1 to 31`);
  return { address, prefix };
}

function addressOf<Key extends string>(key: Key, text: string | undefined): { [K in Key]?: string } {
  if (text === undefined) return {};
  if (!isIPv4(text)) throw badIp(text, "it is not an IPv4 address");
  return { [key]: text } as { [K in Key]?: string };
}

function formatAddress({ address, prefix, gateway, nameserver }: StaticAddress): string[] {
  return [
    `ip=${address}${prefix === undefined ? "" : `/${prefix}`}`,
    ...(gateway === undefined ? [] : [`gw=${gateway}`]),
    ...(nameserver === undefined ? [] : [`dns=${nameserver}`]),
  ];
}

function parseAlias(alias: string): string {
  if (isHostName(alias)) return alias;
  throw badNetwork(alias, "an alias is a host name, of letters, digits, dots, dashes and underscores");
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

function badNetwork(text: string, why: string): CapstanError {
  return new CapstanError(`'${text}' is not a network: ${why}`, {
    code: "bad-network",
    hint: "Write nat, none, bridge:DEVICE, tap:DEVICE, vhost:DEVICE, or a name that you give to a network between instances.",
    exitCode: ExitCode.usage,
  });
}

function badIp(text: string, why: string): CapstanError {
  return new CapstanError(`'${text}' is not an address for a guest: ${why}`, {
    code: "bad-ip",
    hint: "Write it as 192.0.2.10/24, with ,gw=192.0.2.1 and ,dns=192.0.2.1 behind it where the guest needs them.",
    exitCode: ExitCode.usage,
  });
}
