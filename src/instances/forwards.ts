import { isIPv4, isIPv6 } from "node:net";
import type { Forward } from "../hypervisors/machine.ts";
import { CapstanError, ExitCode } from "../support/errors.ts";

/**
 * Port forwardings as users write them: `8080`, `8080:80`, `127.0.0.1:8080:80`, `[::1]:8080:80`, each with `/udp` or `/tcp`.
 * A lone port is mapped to itself; a host port that is 0 or left out (`:80`, `127.0.0.1::80`) is one that is free then.
 * @throws CapstanError `bad-forward`, `duplicate-forward` (64)
 */
export function parseForwards(texts: readonly string[]): Forward[] {
  const forwards = texts.map(parseForward);
  forwards.forEach((forward, index) => {
    if (!forwards.slice(0, index).some((earlier) => collide(earlier, forward))) return;
    throw new CapstanError(`Port ${forward.hostPort}/${forward.protocol} of this machine is forwarded twice`, {
      code: "duplicate-forward",
      hint: "Give each forwarding a host port of its own.",
      exitCode: ExitCode.usage,
    });
  });
  return forwards;
}

/** As parseForwards reads it; a port that is still to be chosen is left out. */
export function formatForward({ protocol, address, hostPort, guestPort }: Forward): string {
  return `${address === "" ? "" : `${address}:`}${hostPort === 0 ? "" : hostPort}:${guestPort}${protocol === "udp" ? "/udp" : ""}`;
}

function parseForward(text: string): Forward {
  const found = /^(?:(\[[^\]]*\]|[^:[\]]*):)??([^:/]*)(?::([^:/]*))?(?:\/([a-z]*))?$/i.exec(text);
  if (found === null) throw badForward(text, "it is not of that form");
  const [, address, host = "", guest, protocol = "tcp"] = found;
  return {
    protocol: parseProtocol(text, protocol),
    address: parseAddress(text, address),
    hostPort: isAnyFree(host, guest) ? 0 : parsePort(text, host),
    guestPort: parsePort(text, guest ?? host),
  };
}

function isAnyFree(host: string, guest: string | undefined): boolean {
  return guest !== undefined && /^0*$/.test(host);
}

function parseProtocol(text: string, protocol: string): Forward["protocol"] {
  const lower = protocol.toLowerCase();
  if (lower === "tcp" || lower === "udp") return lower;
  throw badForward(text, `'${protocol}' is neither tcp nor udp`);
}

function parseAddress(text: string, address: string | undefined): string {
  if (address === undefined) return "";
  if (address === "localhost") return "127.0.0.1";
  if (isIPv4(address)) return address;
  if (address.startsWith("[") && isIPv6(address.slice(1, -1))) return address;
  throw badForward(text, `'${address}' is not an IP address`);
}

function parsePort(text: string, port: string): number {
  const number = /^\d{1,5}$/.test(port) ? Number(port) : 0;
  if (number >= 1 && number <= 65535) return number;
  throw badForward(text, port === "" ? "a port is missing" : `'${port}' is not a port from 1 to 65535`);
}

function collide(a: Forward, b: Forward): boolean {
  const sameAddress = a.address === b.address || [a.address, b.address].some((it) => it === "" || it === "0.0.0.0");
  return a.protocol === b.protocol && a.hostPort === b.hostPort && a.hostPort !== 0 && sameAddress;
}

function badForward(text: string, why: string): CapstanError {
  return new CapstanError(`'${text}' is not a port forwarding: ${why}`, {
    code: "bad-forward",
    hint: "Write it as HOST:GUEST such as 8080:80, as [IP:]HOST:GUEST[/udp], as :GUEST for a free port, or as a port that is the same on both sides.",
    exitCode: ExitCode.usage,
  });
}
