import { isIPv4 } from "node:net";
import { resolve } from "node:path";
import { parseMac } from "../instances/mac.ts";
import { isHostName } from "../instances/network/hub/protocol.ts";
import { type Probe, parseProbe } from "../instances/probe.ts";
import { parseCpus, parseMemory } from "../instances/sizes.ts";
import type { Check, YamlMap } from "../project/yaml-file.ts";
import { MiB } from "../support/bytes.ts";
import { CapstanError } from "../support/errors.ts";
import { parseDuration } from "./duration.ts";
import { readEnvironment, type Surroundings } from "./read-environment.ts";
import { readPorts } from "./read-ports.ts";
import { readVolumes } from "./read-volumes.ts";
import {
  CONDITIONS,
  type Dependency,
  type NetworkUse,
  type PortMapping,
  type Service,
  type ServiceHealth,
  type ServiceSource,
} from "./services-file.ts";

/** Keys of Compose that have no meaning for a virtual machine of one program, and what to use instead. */
const FOREIGN: Readonly<Record<string, string>> = {
  entrypoint: "write the whole boot command as 'command'; a program that is built starts by itself",
  privileged: "a guest has its whole machine anyway",
  user: "programs run as root of their own kernel",
  working_dir: "set it in the boot command with --cwd=/folder",
  network_mode: "use 'networks'",
  dns: "guests ask the name server of their network, which asks this machine's",
  extra_hosts: "give another service of the network an alias, or use the address",
  tmpfs: "/tmp of a guest is in its memory already",
  read_only: "the root file system of an image is read-only already, unless it is a ZFS",
  pull_policy: "fetch images with 'capstan pull'",
  platform: "guests are of this machine's architecture",
  links: "services find each other by their names",
  cap_add: "a guest has its whole machine anyway",
  cap_drop: "a guest is a machine of its own, and reaches nothing of this one",
  security_opt: "a guest is a machine of its own, and reaches nothing of this one",
  devices: "use 'volumes'",
  secrets: "use 'environment', or files in the image",
  configs: "use files in the image",
  extends: "use YAML anchors",
};

const MOST_REPLICAS = 1000;

export function readService(name: string, map: YamlMap, surroundings: Surroundings): Service {
  for (const key of map.keys()) {
    const instead = FOREIGN[key];
    if (instead === undefined) continue;
    map.passOver(key);
    map.problem(key, `'${key}' of Compose has no meaning here: ${instead}`);
  }
  map.passOver("labels", "expose", "hostname", "stdin_open", "tty", "init", "logging");
  const deploy = map.map("deploy");
  deploy?.passOver("mode", "labels");
  const resources = deploy?.map("resources");
  resources?.passOver("reservations");
  const limits = resources?.map("limits");
  const replicas = countOf(map, "scale") ?? (deploy === undefined ? undefined : countOf(deploy, "replicas")) ?? 1;
  const instanceName = map.string("container_name");
  if (instanceName !== undefined && replicas > 1) {
    map.problem("container_name", `one name cannot be that of ${replicas} instances: leave 'container_name' out`);
  }
  const healthcheck = readHealth(map);
  const volumes = readVolumes(map, surroundings.folder);
  if (replicas > 1 && volumes.disks.some(({ readonly }) => !readonly)) {
    map.problem("volumes", `${replicas} instances cannot write one disk: add :ro, or give each a service of its own`);
  }
  return {
    ...{ name, replicas, instanceName, healthcheck },
    where: map.where(map.has("build") ? "build" : "image"),
    source: readSource(map, surroundings.folder),
    command: readCommand(map),
    words: readWords(map),
    environment: readEnvironment(map, surroundings),
    ports: withProbedPort(readPorts(map, replicas), healthcheck?.probe),
    ...volumes,
    dependsOn: readDependencies(map),
    profiles: map.strings("profiles"),
    restart: restartOf(map, deploy),
    memory: memoryOf(map, "mem_limit") ?? (limits === undefined ? undefined : memoryOf(limits, "memory")),
    cpus: wholeCpus(map) ?? (limits === undefined ? undefined : wholeCpus(limits)),
    networks: readNetworks(map),
    stopGraceMs: durationOf(map, "stop_grace_period") ?? 10_000,
    mac: map.string("mac_address", refusedBy(parseMac)),
  };
}

/** What is wrong with a text according to the function that reads it where instances are started. */
function refusedBy(parse: (text: string) => unknown): Check {
  return (text) => {
    try {
      parse(text);
      return undefined;
    } catch (error) {
      if (error instanceof CapstanError) return error.message;
      throw error;
    }
  };
}

/** A health check looks from inside in Compose; here it comes by a port of this machine's own address, that nobody else sees. */
function withProbedPort(ports: readonly PortMapping[], probe: Probe | undefined): readonly PortMapping[] {
  if (probe === undefined || probe.kind === "log") return ports;
  const { port: guestPort } = probe;
  if (ports.some((mapping) => mapping.protocol === "tcp" && mapping.guestPort === guestPort)) return ports;
  return [...ports, { protocol: "tcp", address: "127.0.0.1", guestPort, hostPorts: [0] }];
}

/** `build` is a project's folder, or a program; a map of it has the path as `context`, and what `capstan run` is told of a program. */
function readSource(map: YamlMap, folder: string): ServiceSource {
  const image = map.string("image");
  const details = map.kind("build") === "map" ? map.map("build") : undefined;
  const path = details === undefined ? map.string("build") : (details.string("context") ?? ".");
  if (path !== undefined) {
    return {
      kind: "build",
      path: resolve(folder, path),
      with: details?.strings("with") ?? [],
      launch: details?.string("launch", (text) =>
        LAUNCHES.includes(text) ? undefined : `choose one of ${LAUNCHES.join(", ")}`,
      ),
      interpreter: details?.string("interpreter"),
    };
  }
  if (image === undefined) map.problem(undefined, "it has neither an 'image' nor a project or program to 'build'");
  return { kind: "image", image: image ?? "" };
}

const LAUNCHES: readonly string[] = ["auto", "native", "linux", "static"];

function readCommand(map: YamlMap): string | undefined {
  if (map.kind("command") !== "list") return map.string("command");
  return map.strings("command").map(quoteWord).join(" ");
}

/** A word of OSv's command line: double quotes and backslashes are all it knows. */
function quoteWord(word: string): string {
  return word !== "" && !/[\s"\\;&]/.test(word) ? word : `"${word.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

/** `command` word by word, for programs: a text is split at blanks outside of quotes, as Compose splits it. */
function readWords(map: YamlMap): readonly string[] | undefined {
  if (map.kind("command") === "list") return map.strings("command");
  const text = map.string("command");
  if (text === undefined) return undefined;
  const words = text.match(/(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+/gs) ?? [];
  return words.map((word) =>
    word.replace(/\\(.)|"((?:[^"\\]|\\.)*)"|'([^']*)'/gs, (_whole, escaped, double, single) => {
      if (double !== undefined) return double.replace(/\\(["\\])/g, "$1");
      return escaped ?? single;
    }),
  );
}

/** A list of names, or a map from names to conditions. */
function readDependencies(map: YamlMap): readonly Dependency[] {
  if (map.kind("depends_on") !== "map") {
    return map.strings("depends_on").map((service) => ({ service, condition: "service_started" }));
  }
  return map.maps("depends_on").map(([service, settings]) => {
    settings.passOver("required", "restart");
    const text = settings.string("condition");
    const condition = text === undefined ? "service_started" : CONDITIONS.find((known) => known === text);
    if (condition === undefined) settings.problem("condition", `choose one of ${CONDITIONS.join(", ")}`);
    return { service, condition: condition ?? "service_started" };
  });
}

function restartProblem(text: string): string | undefined {
  if (/^(no|always|unless-stopped|on-failure(:\d{1,6})?)$/.test(text)) return undefined;
  return `'${text}' is no restart policy: choose no, always, unless-stopped, on-failure or on-failure:N`;
}

/** As in Compose, `restart` goes before what `deploy` says. */
function restartOf(map: YamlMap, deploy: YamlMap | undefined): string {
  const ofDeploy = restartOfDeploy(deploy);
  return map.string("restart", restartProblem) ?? ofDeploy ?? "no";
}

function restartOfDeploy(deploy: YamlMap | undefined): string | undefined {
  const map = deploy?.map("restart_policy");
  if (map === undefined) return undefined;
  map.passOver("delay", "window");
  const most = countOf(map, "max_attempts");
  const condition = map.string("condition") ?? "any";
  const policy = { none: "no", any: "always", "on-failure": most === undefined ? "on-failure" : `on-failure:${most}` }[
    condition
  ];
  if (policy === undefined) map.problem("condition", "choose none, on-failure or any");
  return policy;
}

function readHealth(parent: YamlMap): ServiceHealth | undefined {
  const map = parent.map("healthcheck");
  if (map === undefined) return undefined;
  const disabled = map.flag("disable") ?? false;
  const probe = readTest(map, disabled);
  const health = {
    intervalMs: durationOf(map, "interval") ?? 30_000,
    timeoutMs: durationOf(map, "timeout") ?? 30_000,
    retries: countOf(map, "retries") ?? 3,
    startMs: durationOf(map, "start_period") ?? 0,
  };
  durationOf(map, "start_interval");
  return disabled || probe === undefined ? undefined : { probe, ...health };
}

function readTest(map: YamlMap, disabled: boolean): Probe | undefined {
  const words = map.kind("test") === "list" ? map.strings("test") : [map.string("test") ?? ""];
  const [test = ""] = words;
  if (disabled || test === "NONE") return undefined;
  if (words.length === 1 && /^(tcp:|http:|log:)/.test(test)) {
    const problem = refusedBy(parseProbe)(test);
    if (problem === undefined) return parseProbe(test);
    map.problem("test", problem);
    return undefined;
  }
  map.problem(
    map.has("test") ? "test" : undefined,
    "a guest runs no commands for others: write 'test: tcp:PORT', 'test: http:PORT/PATH' or 'test: log:REGEX'",
  );
  return undefined;
}

/** A list of names, or a map from names to settings. */
function readNetworks(map: YamlMap): readonly NetworkUse[] {
  if (map.kind("networks") !== "map") {
    return map.strings("networks").map((network) => ({ network, aliases: [], address: undefined }));
  }
  return map.maps("networks").map(([network, settings]) => ({
    network,
    aliases: settings.strings("aliases", (text) => (isHostName(text) ? undefined : `'${text}' is no host name`)),
    address: settings.string("ipv4_address", (text) => (isIPv4(text) ? undefined : `'${text}' is not an IPv4 address`)),
  }));
}

/** A plain number counts bytes in Compose, and MiB with QEMU. */
function memoryOf(map: YamlMap, key: string): string | undefined {
  const text = map.string(key, (written) =>
    /^\d{1,7}$/.test(written)
      ? `'${written}' counts bytes: write ${written}M for mebibytes`
      : refusedBy(parseMemory)(inMebibytes(written)),
  );
  return text === undefined ? undefined : inMebibytes(text);
}

function inMebibytes(text: string): string {
  return /^\d{1,15}$/.test(text) ? `${Math.ceil(Number(text) / MiB)}M` : text;
}

function wholeCpus(map: YamlMap): string | undefined {
  return map
    .string("cpus", (text) =>
      /^\d{1,3}(\.0+)?$/.test(text)
        ? refusedBy(parseCpus)(text.replace(/\.0+$/, ""))
        : `'${text}' is no whole number of processors`,
    )
    ?.replace(/\.0+$/, "");
}

function durationOf(map: YamlMap, key: string): number | undefined {
  const text = map.string(key);
  if (text === undefined) return undefined;
  const duration = parseDuration(text);
  if (duration === undefined) map.problem(key, `'${text}' is no span of time: write it as 500ms, 10s or 1m30s`);
  return duration;
}

function countOf(map: YamlMap, key: string): number | undefined {
  const text = map.string(key);
  if (text === undefined) return undefined;
  const count = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
  if (count >= 0 && count <= MOST_REPLICAS) return count;
  map.problem(key, `'${text}' is not a number from 0 to ${MOST_REPLICAS}`);
  return undefined;
}
