import { createHash } from "node:crypto";

/** The addresses of a network: `10.x.y.0/24`, where the hub is `.1`. */
export interface Subnet {
  /** `10.x.y`. */
  readonly base: string;
  readonly prefix: 24;
  readonly netmask: "255.255.255.0";
  /** Of the hub, which answers to questions for names. */
  readonly gateway: string;
}

/**
 * The addresses of the network of this name: always the same, out of 10.128.0.0/9. Nothing of it reaches another machine, but
 * a guest that has a card for the outer world too should not find there what it means here: this half of the private
 * addresses is the rarer one in companies and homes.
 */
export function subnetOf(network: string): Subnet {
  const hash = hashOf(network);
  const base = `10.${128 + (hash.readUInt8(0) & 127)}.${hash.readUInt8(1)}`;
  return { base, prefix: 24, netmask: "255.255.255.0", gateway: `${base}.1` };
}

/** The hub's own card: locally administered. */
export function gatewayMac(network: string): string {
  return [
    "02",
    ...[...hashOf(`hub of ${network}`).subarray(0, 5)].map((byte) => byte.toString(16).padStart(2, "0")),
  ].join(":");
}

/** Members have `.2` to `.254`. */
export const MOST_MEMBERS = 253;

/**
 * The address of a member: that which its name always gives, or the next one that is free. Undefined when none is.
 */
export function addressFor(
  member: string,
  { base }: Subnet,
  isTaken: (address: string) => boolean,
): string | undefined {
  const start = hashOf(member).readUInt16BE(0) % MOST_MEMBERS;
  for (let step = 0; step < MOST_MEMBERS; step++) {
    const address = `${base}.${2 + ((start + step) % MOST_MEMBERS)}`;
    if (!isTaken(address)) return address;
  }
  return undefined;
}

/** Whether a member can have this address: inside, and not the hub's, the network's or that of all. */
export function isMemberAddress(address: string, { base }: Subnet): boolean {
  const found = /^(\d+\.\d+\.\d+)\.([1-9]\d{0,2})$/.exec(address);
  const last = Number(found?.[2]);
  return found?.[1] === base && last >= 2 && last <= MOST_MEMBERS + 1;
}

function hashOf(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
