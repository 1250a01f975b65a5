import { isIPv4 } from "node:net";
import type { YamlMap } from "../project/yaml-file.ts";
import type { PortMapping } from "./services-file.ts";

/**
 * `ports` as Compose writes them: `80` (any free port of this machine), `8080:80`, `8000-8009:80` (one for each replica),
 * `8000-8001:80-81`, `127.0.0.1:8080:80`, `53:53/udp`, or maps with target, published, host_ip and protocol.
 */
export function readPorts(map: YamlMap, replicas: number): readonly PortMapping[] {
  let left = MOST_PORTS;
  return map.items("ports").flatMap((item) => {
    if (left < 0) return [];
    const written = typeof item === "string" ? splitShort(item) : readLong(item);
    const where = typeof item === "string" ? `'${item}'` : "the port";
    const read = written === undefined ? "it is written in another way" : toMappings(written, replicas);
    if (typeof read !== "string") {
      left -= read.length;
      if (left >= 0) return read;
      map.problem(
        "ports",
        `more than ${MOST_PORTS} ports are forwarded: the guest can have an address of its own instead`,
      );
      return [];
    }
    map.problem("ports", `${where} cannot be forwarded: ${read}. Write it as HOST:GUEST, such as 8080:80`);
    return [];
  });
}

interface Written {
  readonly address: string;
  readonly published: string;
  readonly target: string;
  readonly protocol: string;
}

function splitShort(text: string): Written | undefined {
  const found =
    /^(?:(?<address>[^:[\]]+|\[[^\]]*\]):)??(?:(?<published>[\d-]*):)?(?<target>[\d-]+)(?:\/(?<protocol>\w+))?$/.exec(
      text,
    );
  const { address = "", published = "", target = "", protocol = "tcp" } = found?.groups ?? {};
  return found === null ? undefined : { address, published, target, protocol };
}

function readLong(map: YamlMap): Written {
  map.passOver("mode", "name", "app_protocol");
  return {
    address: map.string("host_ip") ?? "",
    published: map.string("published") ?? "",
    target: map.string("target") ?? "",
    protocol: map.string("protocol") ?? "tcp",
  };
}

function toMappings({ address, published, target, protocol }: Written, replicas: number): PortMapping[] | string {
  const guest = range(target);
  const host = published === "" ? [] : range(published);
  if (guest === undefined || host === undefined) return "ports are numbers from 1 to 65535";
  if (protocol !== "tcp" && protocol !== "udp") return `'${protocol}' is neither tcp nor udp`;
  if (address !== "" && !isIPv4(address) && !address.startsWith("[")) return `'${address}' is not an IP address`;
  const common = { protocol, address } as const;
  if (guest.length > 1) {
    if (host.length > 0 && host.length !== guest.length) return "the two ranges are of different lengths";
    if (host.length > 0 && replicas > 1) return tooFew(guest.length, replicas);
    return guest.map((guestPort, index) => ({ ...common, guestPort, hostPorts: [host[index] ?? 0] }));
  }
  if (host.length > 0 && host.length < replicas) return tooFew(host.length, replicas);
  return guest.map((guestPort) => ({ ...common, guestPort, hostPorts: host.length === 0 ? [0] : host }));
}

/** What is wrong with a mapping for so many instances. */
export function tooFew(ports: number, replicas: number): string {
  return `${replicas} instances cannot share ${ports === 1 ? "one port" : `${ports} ports`} of this machine; give a range of host ports, or only the guest's port`;
}

const LONGEST_RANGE = 1000;
/** Of one service: a few ranges in a long list would be millions. */
const MOST_PORTS = 1000;

function range(text: string): number[] | undefined {
  const found = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  if (found === null) return undefined;
  const first = Number(found[1]);
  const last = Number(found[2] ?? first);
  if (first < 1 || last > 65535 || last < first || last - first >= LONGEST_RANGE) return undefined;
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}
