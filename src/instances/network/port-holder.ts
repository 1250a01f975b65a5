import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { basename, join } from "node:path";
import { instanceFolder, instancesFolder } from "../layout.ts";
import { readLock } from "../lock.ts";

/** Who listens on a port of this machine. */
export type PortHolder =
  | { readonly kind: "instance"; readonly name: string; readonly pid: number }
  | { readonly kind: "program"; readonly name: string; readonly pid: number };

export interface PortQuestion {
  readonly protocol: "tcp" | "udp";
  readonly port: number;
  /** $CAPSTAN_ROOT, where instances are known. */
  readonly root: string;
  /** `/proc`. */
  readonly proc?: string | undefined;
}

/** Undefined where that cannot be told: on other systems than Linux, and for programs of other users. */
export function findPortHolder({ protocol, port, root, proc = "/proc" }: PortQuestion): PortHolder | undefined {
  const sockets = new Set(
    ["", "6"].flatMap((family) => socketsOn(join(proc, "net", protocol + family), protocol, port)),
  );
  const pid = sockets.size === 0 ? undefined : ownerOf(sockets, proc);
  if (pid === undefined) return undefined;
  const instance = instanceOf(pid, root);
  return instance === undefined
    ? { kind: "program", name: programName(pid, proc), pid }
    : { kind: "instance", name: instance, pid };
}

/** TCP_LISTEN and, for UDP, TCP_CLOSE: a socket without another side (Linux: include/net/tcp_states.h). */
const WAITING_STATE = { tcp: "0A", udp: "07" } as const;

/** The inodes of the sockets that wait on a port, from a table such as /proc/net/tcp (Linux: Documentation/networking/proc_net_tcp). */
function socketsOn(table: string, protocol: PortQuestion["protocol"], port: number): string[] {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return read(table)
    .split("\n")
    .flatMap((line) => {
      const [, local = "", , state, , , , , , inode] = line.trim().split(/\s+/);
      const isIt = local.endsWith(wanted) && state === WAITING_STATE[protocol] && inode !== undefined;
      return isIt && inode !== "0" ? [`socket:[${inode}]`] : [];
    });
}

function ownerOf(sockets: ReadonlySet<string>, proc: string): number | undefined {
  for (const entry of list(proc)) {
    if (!/^[1-9]\d*$/.test(entry)) continue;
    const folder = join(proc, entry, "fd");
    if (list(folder).some((file) => sockets.has(link(join(folder, file))))) return Number(entry);
  }
  return undefined;
}

function instanceOf(pid: number, root: string): string | undefined {
  return list(instancesFolder(root)).find((name) => readLock(instanceFolder(root, name))?.owner?.qemu?.pid === pid);
}

function programName(pid: number, proc: string): string {
  const [program = ""] = read(join(proc, String(pid), "cmdline")).split("\0");
  // A program may write what it likes into its command line.
  const name = basename(program.split(" ")[0] ?? "")
    .replace(/[^\x20-\x7e]/g, "?")
    .slice(0, 60);
  return name || read(join(proc, String(pid), "comm")).trim() || "a program";
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function link(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
