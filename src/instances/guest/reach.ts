import { createServer } from "node:net";
import type { Forward } from "../../hypervisors/machine.ts";
import { withQmp } from "../../hypervisors/qemu/qmp.ts";
import { CapstanError, ExitCode } from "../../support/errors.ts";
import type { GuestAddress } from "./rest.ts";

/** Where OSv's REST server listens unless it is told otherwise. */
export const REST_PORT = 8000;

/** A running instance, as far as reaching a port of its guest goes. */
export interface ReachableInstance {
  readonly name: string;
  /** The ports of this machine that are really taken. */
  readonly forwards: readonly Forward[];
  /** Path of QEMU's monitor. */
  readonly monitor: string | undefined;
}

/**
 * Runs `use` with the address of a guest's TCP port on this machine: that of a forwarding that is there, or of one that is
 * added for the time of the call, on a free port of this machine's own address.
 * @throws CapstanError `guest-unreachable` (69) where the instance has no user networking to add one to
 */
export async function withGuestPort<T>(
  instance: ReachableInstance,
  port: number,
  use: (address: GuestAddress) => Promise<T>,
): Promise<T> {
  const { name, monitor } = instance;
  const there = instance.forwards.find(({ protocol, guestPort }) => protocol === "tcp" && guestPort === port);
  if (there !== undefined) return await use({ name, host: reachable(there.address), port: there.hostPort });
  if (monitor === undefined) throw unreachable(name, port, "its monitor is not known");
  const hostPort = await addForward(name, monitor, port);
  try {
    return await use({ name, host: LOOPBACK, port: hostPort });
  } finally {
    await monitorCommand(monitor, `hostfwd_remove un0 tcp:${LOOPBACK}:${hostPort}`).catch(() => {
      // The instance has ended meanwhile, and its forwardings with it.
    });
  }
}

const LOOPBACK = "127.0.0.1";
const ATTEMPTS = 5;

function reachable(address: string): string {
  if (address === "" || address === "0.0.0.0") return LOOPBACK;
  return address.startsWith("[") ? address.slice(1, -1) : address;
}

async function addForward(name: string, monitor: string, guestPort: number): Promise<number> {
  let said = "";
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const hostPort = await freePort();
    said = await monitorCommand(monitor, `hostfwd_add un0 tcp:${LOOPBACK}:${hostPort}-:${guestPort}`);
    if (said.trim() === "") return hostPort;
  }
  const lacksCard = /netdev id/.test(said);
  throw unreachable(name, guestPort, lacksCard ? "it has no user networking" : said.trim());
}

/** What QEMU's monitor for people answers; nothing when all is well. The machine protocol has no command for forwardings. */
async function monitorCommand(monitor: string, command: string): Promise<string> {
  const answer = await withQmp(monitor, {}, (qmp) => qmp.execute("human-monitor-command", { "command-line": command }));
  return typeof answer === "string" ? answer : "";
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, LOOPBACK, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}

function unreachable(name: string, port: number, why: string): CapstanError {
  return new CapstanError(`Port ${port} of ${name} cannot be reached from here: ${why}`, {
    code: "guest-unreachable",
    hint: `Start the instance with user networking (-n nat), or with the port forwarded: -f ${port}:${port}`,
    exitCode: ExitCode.unavailable,
  });
}
