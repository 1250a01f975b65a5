import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Forward, MachineDisk } from "../hypervisors/machine.ts";
import { writeFileAtomically } from "../support/atomic.ts";
import { MiB } from "../support/bytes.ts";
import { CapstanError, doing } from "../support/errors.ts";
import { isRecord } from "../support/records.ts";
import { formatForward, parseForwards } from "./forwards.ts";
import { FILES } from "./layout.ts";
import { formatVolume, parseVolume } from "./volume.ts";

export const networkModes = ["nat", "bridge", "tap", "vhost"] as const;
export type NetworkMode = (typeof networkModes)[number];

export interface NetworkChoice {
  readonly mode: NetworkMode;
  /** The bridge or tap device; the mode's usual one without it. */
  readonly device?: string | undefined;
}

/** How a persisted instance is started again. */
export interface InstanceConfig {
  readonly image: string;
  /** In bytes. */
  readonly memory: number;
  readonly cpus: number;
  readonly network: NetworkChoice;
  readonly forwards: readonly Forward[];
  readonly volumes: readonly MachineDisk[];
  readonly mac?: string | undefined;
  readonly commandLine: string;
}

/** Writes osv.config: JSON, which YAML readers read too, with the original's keys for what the original knows. */
export async function writeConfig(folder: string, config: InstanceConfig): Promise<void> {
  const { forwards, network, volumes } = config;
  const record = {
    image: config.image,
    cmd: config.commandLine,
    persist: true,
    memory: config.memory / MiB,
    cpus: config.cpus,
    networking: network.mode,
    bridge: network.device ?? "",
    natrules: forwards.map(({ hostPort, guestPort }) => ({ hostport: String(hostPort), guestport: String(guestPort) })),
    forwards: forwards.map(formatForward),
    volumes: volumes.map(formatVolume),
    mac: config.mac ?? "",
  };
  await writeFileAtomically(join(folder, FILES.config), `${JSON.stringify(record, undefined, 2)}\n`);
}

/**
 * Reads osv.config, ours or the original's (YAML).
 * @throws CapstanError `broken-instance` (65) that says what is wrong with it
 */
export async function readConfig(folder: string): Promise<InstanceConfig> {
  const path = join(folder, FILES.config);
  const text = doing(`Reading ${path}`, () => readFileSync(path, "utf8"));
  const record = await parseText(path, text.slice(0, LONGEST_CONFIG));
  const complain = (what: string): never => {
    throw broken(path, what);
  };
  const string = (key: string) => {
    const value = record[key] ?? "";
    return typeof value === "string" ? value : complain(`'${key}' is not a text`);
  };
  const count = (key: string, usual: number, most: number) => {
    const value = record[key] ?? usual;
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= 1 && value <= most) return value;
    return complain(`'${key}' is not a number from 1 to ${most}`);
  };
  const mode = string("networking") || "nat";
  return {
    image: string("image"),
    memory: count("memory", 1024, 1 << 20) * MiB,
    cpus: count("cpus", 2, 64),
    network: {
      mode: networkModes.find((known) => known === mode) ?? complain(`'${mode}' is no way of networking`),
      device: string("bridge") || undefined,
    },
    forwards: parseForwards(strings(record.forwards) ?? natRules(record.natrules)),
    volumes: (strings(record.volumes) ?? []).map((volume) => parseVolume(volume, folder)),
    mac: string("mac") || undefined,
    commandLine: string("cmd"),
  };
}

const LONGEST_CONFIG = 1 << 20;

async function parseText(path: string, text: string): Promise<Readonly<Record<string, unknown>>> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    parsed = await parseYaml(path, text);
  }
  if (!isRecord(parsed)) throw broken(path, "it holds no settings");
  return parsed;
}

async function parseYaml(path: string, text: string): Promise<unknown> {
  const { parse, YAMLParseError } = await import("yaml");
  try {
    return parse(text, { maxAliasCount: 0 });
  } catch (error) {
    if (error instanceof YAMLParseError) throw broken(path, error.message.split("\n")[0] ?? "it is not YAML");
    throw broken(path, error instanceof Error ? error.message : "it is not YAML");
  }
}

function strings(value: unknown): string[] | undefined {
  return Array.isArray(value) && value.every((item) => typeof item === "string") ? value : undefined;
}

function natRules(value: unknown): string[] {
  if (!Array.isArray(value)) return [];
  return value.map((rule) => (isRecord(rule) ? `${rule.hostport}:${rule.guestport}` : String(rule)));
}

function broken(path: string, what: string): CapstanError {
  return new CapstanError(`${path} cannot be read: ${what}`, {
    code: "broken-instance",
    hint: "Correct the file, or give the instance up with capstan delete.",
  });
}
