import { lookup } from "node:dns/promises";
import { rmSync } from "node:fs";
import { chooseMonitorPath } from "../../../hypervisors/qemu/monitor-path.ts";
import { claim, type Lock, readLock, removeFolder } from "../../lock.ts";
import { identify } from "../../process-identity.ts";
import { Hub } from "./hub.ts";
import { removeSocket } from "./member.ts";
import { hubSocketPath, writeHubFile } from "./place.ts";

export interface HubProcessInput {
  /** The network's own folder, which is made and, at the end, removed. */
  readonly folder: string;
  readonly network: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly now: () => Date;
}

/** How long a hub without members waits for one. */
const LINGER_MS = 2000;
/** The first member is about to come. */
const FIRST_LINGER_MS = 15_000;
/** How often it is looked whether the folder is there still. */
const CHECK_MS = 1000;

/** Is the hub of a network until nobody needs it any more; returns at once when there is one already. */
export async function serveNetwork(input: HubProcessInput): Promise<void> {
  const { folder, network, env, now } = input;
  const owner = { capstan: identify(process.pid), image: "", persist: false, started: now().toISOString() };
  const result = claim(folder, owner);
  if (!result.claimed) return;
  const socket = chooseMonitorPath(hubSocketPath(folder), env).path;
  // A hub that was killed may have left its own.
  rmSync(socket, { force: true });
  const ending = new Ending(result.lock);
  const hub = new Hub({ network, socket, resolveOutside, onEmpty: () => ending.wait(LINGER_MS) });
  ending.isNeeded = () => !hub.isEmpty;
  try {
    await hub.listen();
    await writeHubFile(folder, socket);
    ending.wait(FIRST_LINGER_MS);
    await ending.reached;
  } finally {
    ending.close();
    hub.close();
    removeSocket(socket);
    if (isOurs(result.lock)) removeFolder(folder);
  }
}

/** When a hub ends: some time after its last member has gone, or when its folder is not its own any more. */
class Ending {
  readonly reached: Promise<void>;
  #reach = () => {};
  #linger: NodeJS.Timeout | undefined;
  readonly #check: NodeJS.Timeout;
  isNeeded = () => false;

  constructor(lock: Lock) {
    this.reached = new Promise((resolve) => {
      this.#reach = resolve;
    });
    // Who comes next finds no hub in a folder that was deleted, and starts another: members follow it, if this one ends.
    this.#check = setInterval(() => {
      if (!isOurs(lock)) this.#reach();
    }, CHECK_MS);
  }

  wait(milliseconds: number): void {
    clearTimeout(this.#linger);
    this.#linger = setTimeout(() => {
      if (!this.isNeeded()) this.#reach();
    }, milliseconds);
  }

  close(): void {
    clearTimeout(this.#linger);
    clearInterval(this.#check);
  }
}

function isOurs(lock: Lock): boolean {
  const ruling = readLock(lock.folder);
  return ruling?.generation === lock.generation && ruling.owner?.capstan.pid === process.pid;
}

/** What the system that we run on knows of a name; guests use IPv4. */
async function resolveOutside(name: string): Promise<string | undefined> {
  try {
    return (await lookup(name, { family: 4 })).address;
  } catch {
    return undefined;
  }
}
