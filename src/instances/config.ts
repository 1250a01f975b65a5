import { join } from "node:path";
import type { Forward, MachineDisk } from "../hypervisors/machine.ts";
import { writeFileAtomically } from "../support/atomic.ts";
import { MiB } from "../support/bytes.ts";
import { CapstanError, doing } from "../support/errors.ts";
import { isRecord } from "../support/records.ts";
import { readRegularFile } from "../support/regular-file.ts";
import { formatForward, parseForwards } from "./forwards.ts";
import { type HealthCheck, healthRecord, parseHealthRecord } from "./health.ts";
import { FILES } from "./layout.ts";
import { formatMount, type Mount, readMount } from "./mounts/mount.ts";
import { formatNetwork, type NetworkChoice, parseNetwork } from "./network/choice.ts";
import { formatRestartPolicy, NO_RESTART, parseRestartPolicy, type RestartPolicy } from "./restart-policy.ts";
import { formatVolume, readVolume } from "./volume.ts";

/** How a persisted instance is started again. */
export interface InstanceConfig {
  readonly image: string;
  /** In bytes. */
  readonly memory: number;
  readonly cpus: number;
  /** In the order of the guest's cards; an empty one means nat. */
  readonly networks: readonly NetworkChoice[];
  readonly forwards: readonly Forward[];
  readonly volumes: readonly MachineDisk[];
  /** Folders of this machine that the guest sees. */
  readonly mounts: readonly Mount[];
  readonly mac?: string | undefined;
  readonly commandLine: string;
  readonly restart: RestartPolicy;
  /** A guest that is still there after so long is ended. */
  readonly timeoutMs?: number | undefined;
  readonly health?: HealthCheck | undefined;
  /** How much of the console is kept, in bytes; the usual without it. */
  readonly logBytes?: number | undefined;
  /** What others know it by, such as the project and the service that it belongs to. */
  readonly labels: Readonly<Record<string, string>>;
  /** Whether nothing of it stays when its guest has ended. */
  readonly removeAtEnd: boolean;
}

/** Writes osv.config: JSON, which YAML readers read too, with the original's keys for what the original knows. */
export async function writeConfig(folder: string, config: InstanceConfig): Promise<void> {
  const { forwards, networks, volumes } = config;
  const record = {
    image: config.image,
    cmd: config.commandLine,
    persist: true,
    memory: config.memory / MiB,
    cpus: config.cpus,
    networking: networks[0]?.mode ?? "nat",
    bridge: networks[0]?.device ?? "",
    networks: networks.map(formatNetwork),
    natrules: forwards.map(({ hostPort, guestPort }) => ({ hostport: String(hostPort), guestport: String(guestPort) })),
    forwards: forwards.map(formatForward),
    volumes: volumes.map(formatVolume),
    mounts: config.mounts.map(formatMount),
    mac: config.mac ?? "",
    restart: formatRestartPolicy(config.restart),
    timeoutMs: config.timeoutMs,
    health: config.health === undefined ? undefined : healthRecord(config.health),
    logBytes: config.logBytes,
    labels: config.labels,
    removeAtEnd: config.removeAtEnd,
  };
  await writeFileAtomically(join(folder, FILES.config), `${JSON.stringify(record, undefined, 2)}\n`);
}

/**
 * Reads osv.config, ours or the original's (YAML).
 * @throws CapstanError `broken-instance` (65) that says what is wrong with it; `not-a-file`, `file-too-large`
 */
export async function readConfig(folder: string): Promise<InstanceConfig> {
  const path = join(folder, FILES.config);
  const text = doing(`Reading ${path}`, () => readRegularFile(path, { limit: LONGEST_CONFIG })).toString("utf8");
  const record = await parseText(path, text);
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
  return {
    image: string("image"),
    memory: count("memory", 1024, 1 << 20) * MiB,
    cpus: count("cpus", 2, 64),
    networks: (strings(record.networks) ?? firstNetwork(string("networking"), string("bridge"))).map(parseNetwork),
    forwards: parseForwards(strings(record.forwards) ?? natRules(record.natrules)),
    volumes: (strings(record.volumes) ?? []).map((volume) => readVolume(volume, folder)),
    mounts: (strings(record.mounts) ?? []).map(readMount),
    mac: string("mac") || undefined,
    commandLine: string("cmd"),
    restart: record.restart === undefined ? NO_RESTART : parseRestartPolicy(string("restart")),
    timeoutMs: record.timeoutMs === undefined ? undefined : count("timeoutMs", 1, 2 ** 31 - 1),
    health: parseHealthRecord(record.health),
    logBytes: record.logBytes === undefined ? undefined : count("logBytes", 1, Number.MAX_SAFE_INTEGER),
    labels: labelsOf(record.labels),
    removeAtEnd: record.removeAtEnd === true,
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
    if (error instanceof YAMLParseError) throw broken(path, error.message.split(/:?\n/)[0] ?? "it is not YAML");
    throw broken(path, error instanceof Error ? error.message : "it is not YAML");
  }
}

function strings(value: unknown): string[] | undefined {
  return Array.isArray(value) && value.every((item) => typeof item === "string") ? value : undefined;
}

function labelsOf(value: unknown): Readonly<Record<string, string>> {
  if (!isRecord(value)) return {};
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, text]) => (typeof text === "string" ? [[key, text]] : [])),
  );
}

/** The original's one network. */
function firstNetwork(mode: string, device: string): string[] {
  if (mode === "" || mode === "nat") return [];
  return [device === "" ? mode : `${mode}:${device}`];
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
