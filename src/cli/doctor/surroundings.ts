import { existsSync, readdirSync, type Stats, statfsSync, statSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { formatSize, GiB, MiB } from "../../support/bytes.ts";
import type { CommandContext } from "../answer.ts";
import { isOffline } from "../remotes.ts";
import { type Finding, failure, ok, type Patient, warning } from "./finding.ts";

/** Room for images and temporary files. */
export function checkSpace({ store }: Patient): readonly Finding[] {
  const root = store.settings.root.value;
  const places = [
    { what: "the store", folder: nearestFolder(root), variable: "CAPSTAN_ROOT" },
    { what: "temporary files", folder: tmpdir(), variable: "TMPDIR" },
  ];
  const devices = new Set<number>();
  return places.flatMap((place) => {
    if (!existsSync(place.folder)) return [missing(place)];
    const { dev } = statSync(place.folder);
    if (devices.has(dev)) return [];
    devices.add(dev);
    return [aboutSpace(place)];
  });
}

const LITTLE = GiB;
const TOO_LITTLE = 100 * MiB;
const FEW_FILES = 10_000;

interface Place {
  readonly what: string;
  readonly folder: string;
  /** Of the environment, that says where it is. */
  readonly variable: string;
}

function missing({ what, folder, variable }: Place): Finding {
  return failure("disk", `The folder for ${what} is not there (${folder})`, `Make it, or correct ${variable}.`);
}

function aboutSpace({ what, folder, variable }: Place): Finding {
  const { bavail, bsize, files, ffree } = statfsSync(folder);
  const free = bavail * bsize;
  const text = `${formatSize(free)} are free for ${what} (${folder})`;
  const cure = `Free some space, or point ${variable} at another disk.`;
  if (free < TOO_LITTLE) return failure("disk", text, cure);
  if (free < LITTLE) return warning("disk", text, cure);
  // Some file systems do not count their files.
  if (files > 0 && ffree < FEW_FILES) {
    return warning(
      "disk",
      `Only ${ffree} more files can be made for ${what} (${folder})`,
      "Delete files that nobody needs.",
    );
  }
  return ok("disk", text);
}

function nearestFolder(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : nearestFolder(dirname(path));
}

const TOLERANCE_MS = 5 * 60 * 1000;

/** Certificates, signatures and the order of builds need the right time: nothing here can have been written after now. */
export function checkClock({ context, store }: Patient): readonly Finding[] {
  const now = context.now();
  const { root, packages, repository } = store.layout;
  const places = [join(context.installation, "package.json"), root, packages, repository];
  const newest = places
    .flatMap((path) => [path, ...childrenOf(path)])
    .map((path) => ({ path, stats: look(path) }))
    .filter((one): one is { path: string; stats: Stats } => one.stats !== undefined)
    .sort((a, b) => b.stats.mtimeMs - a.stats.mtimeMs)[0];
  if (newest !== undefined && newest.stats.mtimeMs > now.getTime() + TOLERANCE_MS) {
    const then = newest.stats.mtime.toISOString();
    const text = `It is ${now.toISOString()} here, and ${newest.path} was written at ${then}`;
    return [
      warning(
        "clock",
        text,
        "Set the clock (sudo timedatectl set-ntp true), or touch that file if the clock is right.",
      ),
    ];
  }
  return [ok("clock", now.toISOString())];
}

function childrenOf(folder: string): string[] {
  try {
    return readdirSync(folder)
      .slice(0, 1000)
      .map((name) => join(folder, name));
  } catch {
    return [];
  }
}

function look(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

const PROXIES = ["http", "https"] as const;

/** The variables that remotes/http-agent.ts goes by. */
export async function checkProxy({ context }: Patient): Promise<readonly Finding[]> {
  const { env } = context;
  const findings: Finding[] = [];
  for (const protocol of PROXIES) {
    const [small, large] = [`${protocol}_proxy`, `${protocol.toUpperCase()}_PROXY`];
    const name = env[small] === undefined ? large : small;
    const value = env[name]?.trim() ?? "";
    if (value === "") continue;
    if (env[small] !== undefined && env[large] !== undefined && env[small] !== env[large]) {
      findings.push(warning("proxy", `${small} and ${large} differ: ${small} counts`, `Unset ${large}.`));
    }
    findings.push(await aboutProxy(name, value, context));
  }
  return findings.length === 0 ? [ok("proxy", "None is set")] : findings;
}

const DEFAULT_PORTS: Readonly<Record<string, number>> = { "http:": 80, "https:": 443, "socks5:": 1080, "socks:": 1080 };
const CONNECT_MS = 3000;

async function aboutProxy(name: string, value: string, context: CommandContext): Promise<Finding> {
  const full = value.includes("://") ? value : `http://${value}`;
  const url = URL.canParse(full) ? new URL(full) : undefined;
  const usual = DEFAULT_PORTS[url?.protocol ?? ""];
  if (url === undefined || usual === undefined || url.hostname === "") {
    const cure = `Set ${name} to something like http://proxy.example.com:3128, or unset it.`;
    return failure("proxy", `${name} is not the address of a proxy`, cure);
  }
  const [host, port] = [url.hostname.replace(/^\[|\]$/g, ""), url.port === "" ? usual : Number(url.port)];
  if (isOffline(context)) return ok("proxy", `${name}: ${host}:${port}, not asked as CAPSTAN_OFFLINE is set`);
  const problem = await cannotConnect(host, port, context.signal);
  if (problem === undefined) return ok("proxy", `${name}: ${host}:${port} answers`);
  return failure("proxy", `${name}: ${host}:${port} does not answer (${problem})`, `Correct ${name}, or unset it.`);
}

function cannotConnect(host: string, port: number, signal: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const finish = (problem: string | undefined) => {
      socket.destroy();
      signal.removeEventListener("abort", onAbort);
      resolve(problem);
    };
    const onAbort = () => finish("interrupted");
    signal.addEventListener("abort", onAbort, { once: true });
    socket.setTimeout(CONNECT_MS, () => finish(`nothing within ${CONNECT_MS / 1000} s`));
    socket.once("connect", () => finish(undefined));
    socket.once("error", (error) => finish("code" in error ? String(error.code) : error.message));
  });
}
