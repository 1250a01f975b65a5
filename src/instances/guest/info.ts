import { CapstanError, ExitCode } from "../../support/errors.ts";
import { GuestRefusal, type GuestRest } from "./rest.ts";

/** What a guest says of itself. */
export interface GuestInfo {
  readonly os: string;
  readonly version: string;
  readonly hostname: string;
  /** Seconds since it booted. */
  readonly uptime: number;
  readonly memoryTotal: number;
  readonly memoryFree: number;
  readonly processors: number;
  readonly commandLine: string;
  readonly addresses: readonly { readonly interface: string; readonly address: string }[];
  readonly filesystems: readonly {
    readonly mount: string;
    readonly device: string;
    readonly size: number;
    readonly free: number;
  }[];
}

/** Parts that the image's server lacks, as the monitoring one does, are left out: 0, "" and empty lists. */
export async function guestInfo(rest: GuestRest): Promise<GuestInfo> {
  const [os, version] = await Promise.all([rest.json("/os/name"), rest.json("/os/version")]);
  const optional = async (path: string) => await rest.json(path).catch(ignoreRefusal);
  const [hostname, uptime, total, free, processors, commandLine, interfaces, mounts] = await Promise.all([
    optional("/os/hostname"),
    optional("/os/uptime"),
    optional("/os/memory/total"),
    optional("/os/memory/free"),
    optional("/hardware/processor/count"),
    optional("/os/cmdline"),
    optional("/network/ifconfig/"),
    optional("/fs/df/"),
  ]);
  return {
    os: text(os),
    version: text(version),
    hostname: text(hostname),
    uptime: number(uptime),
    memoryTotal: number(total),
    memoryFree: number(free),
    processors: number(processors),
    commandLine: text(commandLine),
    addresses: records(interfaces).flatMap((it) => {
      const config = record(it.config);
      return text(config.addr) === "" ? [] : [{ interface: text(config.name), address: text(config.addr) }];
    }),
    filesystems: records(mounts).map((it) => ({
      mount: text(it.mount),
      device: text(it.filesystem),
      size: number(it.btotal) * number(it.blocksize),
      free: number(it.bfree) * number(it.blocksize),
    })),
  };
}

export interface GuestThread {
  readonly id: number;
  readonly name: string;
  /** Null of one that has never run. */
  readonly cpu: number | null;
  /** Processor time that it has used, in milliseconds. */
  readonly cpuMs: number;
  readonly priority: number;
  readonly status: string;
}

export interface ThreadSample {
  /** The guest's clock, in milliseconds. */
  readonly time: number;
  readonly threads: readonly GuestThread[];
}

export async function guestThreads(rest: GuestRest): Promise<ThreadSample> {
  const answer = record(await rest.json("/os/threads"));
  const threads = records(answer.list).map((it) => ({
    id: number(it.id),
    name: text(it.name),
    cpu: number(it.cpu) < NO_CPU ? number(it.cpu) : null,
    cpuMs: number(it.cpu_ms),
    priority: number(it.priority),
    status: text(it.status),
  }));
  return { time: number(answer.time_ms), threads };
}

/** -1, as an unsigned number of 32 bits. */
const NO_CPU = 2 ** 32 - 1;

/** `NAME=value` of all variables, sorted. */
export async function guestEnvironment(rest: GuestRest): Promise<string[]> {
  const answer = await rest.json("/env/");
  return (Array.isArray(answer) ? answer.filter((it) => typeof it === "string") : []).sort();
}

export interface GuestFile {
  readonly name: string;
  readonly type: "file" | "directory" | "symlink";
  readonly size: number;
  /** Permission bits. */
  readonly mode: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  readonly target: string;
}

export async function listGuestFiles(rest: GuestRest, path: string): Promise<GuestFile[]> {
  const status = await guestFile(rest, path);
  if (status.type !== "directory") return [{ ...status, name: path }];
  const answer = await rest.json(`${filePath(path)}?op=LISTSTATUS`);
  const files = records(answer).map(toFile);
  return files.filter(({ name }) => name !== "." && name !== "..").sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** @throws CapstanError `no-such-file` (66) */
export async function guestFile(rest: GuestRest, path: string): Promise<GuestFile> {
  try {
    return toFile(record(await rest.json(`${filePath(path)}?op=GETFILESTATUS`)));
  } catch (error) {
    if (!(error instanceof GuestRefusal) || error.status !== 404) throw error;
    throw new CapstanError(`There is no ${path} in the guest`, {
      code: "no-such-file",
      hint: "See what there is with capstan guest ls.",
      exitCode: ExitCode.noInput,
      cause: error,
    });
  }
}

/** Of the REST server: `/file` and the guest's absolute path, each part of it encoded. */
export function filePath(path: string): string {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  // The root itself is a part of its own: without one, the server misses the path.
  return parts.length === 0 ? "/file/%2F" : `/file/${parts.map(encodeURIComponent).join("/")}`;
}

function toFile(it: Readonly<Record<string, unknown>>): GuestFile {
  const type = text(it.type);
  return {
    name: text(it.pathSuffix),
    type: type === "DIRECTORY" ? "directory" : type === "SYMLINK" ? "symlink" : "file",
    size: number(it.length),
    mode: Number.parseInt(text(it.permission), 8) || 0,
    mtime: number(it.modificationTime),
    target: text(it.symlink),
  };
}

function ignoreRefusal(error: unknown): undefined {
  if (error instanceof GuestRefusal) return undefined;
  throw error;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function number(value: unknown): number {
  const read = typeof value === "string" ? Number(value) : value;
  return typeof read === "number" && Number.isFinite(read) ? read : 0;
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}

function records(value: unknown): Readonly<Record<string, unknown>>[] {
  return Array.isArray(value) ? value.map(record) : [];
}
