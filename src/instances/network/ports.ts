import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { Forward } from "../../hypervisors/machine.ts";
import { withQmp } from "../../hypervisors/qemu/qmp.ts";
import { CapstanError, ExitCode, isErrno } from "../../support/errors.ts";
import { findPortHolder, type PortHolder } from "./port-holder.ts";

/**
 * Checks that every host port that is asked for can be listened on, by doing so for a moment.
 * @throws CapstanError `port-in-use`, `port-denied`, `address-unavailable` (69), with all of them in its details
 */
export async function checkPorts(forwards: readonly Forward[], root: string): Promise<void> {
  const problems: CapstanError[] = [];
  for (const forward of forwards) {
    // QEMU itself refuses addresses in brackets, and says so.
    if (forward.hostPort === 0 || forward.address.startsWith("[")) continue;
    const problem = await tryPort(forward);
    if (problem !== undefined) problems.push(explain(forward, { problem, root }));
  }
  const [first] = problems;
  if (first === undefined) return;
  if (problems.length === 1) throw first;
  throw new CapstanError(`${problems.length} ports of this machine cannot be forwarded`, {
    code: first.code,
    details: problems.map(({ message }) => message),
    hint: "Choose other host ports, or let free ones be chosen: -f :80",
    exitCode: ExitCode.unavailable,
  });
}

/**
 * The forwardings with the host ports that were chosen for those that left it open, asked of a QEMU that runs.
 * @throws CapstanError of the monitor; `port-unknown` when QEMU does not tell
 */
export async function readPorts(forwards: readonly Forward[], monitor: string): Promise<readonly Forward[]> {
  if (forwards.every(({ hostPort }) => hostPort !== 0)) return forwards;
  const text = await ask(monitor);
  return choosePorts(forwards, typeof text === "string" ? text : "");
}

async function ask(monitor: string): Promise<unknown> {
  for (let tries = 1; ; tries++) {
    try {
      return await withQmp(monitor, {}, (qmp) =>
        qmp.execute("human-monitor-command", { "command-line": "info usernet" }),
      );
    } catch (error) {
      // QEMU is only just starting.
      const comesLater = error instanceof CapstanError && error.code === "qmp-unreachable" && tries < MOST_TRIES;
      if (!comesLater) throw error;
      await delay(TRY_AGAIN_MS);
    }
  }
}

const TRY_AGAIN_MS = 20;
const MOST_TRIES = 250;

interface Listening {
  readonly protocol: string;
  readonly address: string;
  readonly hostPort: number;
  readonly guestPort: number;
}

/**
 * Reads the answer of `info usernet`. Lines that count: `  TCP[HOST_FORWARD]  11  127.0.0.1 32907  192.168.122.15  8080  0 0`
 * (libslirp's misc.c: slirp_connection_info). A host address of all is `*`.
 */
export function choosePorts(forwards: readonly Forward[], text: string): readonly Forward[] {
  const open: Listening[] = [...text.slice(0, 1 << 20).matchAll(HOST_FORWARD)].map((found) => ({
    protocol: (found[1] ?? "").toLowerCase(),
    address: found[2] === "*" ? "" : (found[2] ?? ""),
    hostPort: Number(found[3]),
    guestPort: Number(found[4]),
  }));
  const take = ({ protocol, address, hostPort, guestPort }: Forward) => {
    const wanted = address === "0.0.0.0" ? "" : address;
    const index = open.findIndex(
      (one) =>
        one.protocol === protocol &&
        one.address === wanted &&
        one.guestPort === guestPort &&
        (hostPort === 0 || one.hostPort === hostPort),
    );
    return index < 0 ? undefined : open.splice(index, 1)[0]?.hostPort;
  };
  // Those whose port is known first: what remains was chosen.
  for (const forward of forwards) if (forward.hostPort !== 0) take(forward);
  return forwards.map((forward) => {
    if (forward.hostPort !== 0) return forward;
    const hostPort = take(forward);
    if (hostPort !== undefined) return { ...forward, hostPort };
    throw new CapstanError(`QEMU does not tell which port it forwards to port ${forward.guestPort} of the guest`, {
      code: "port-unknown",
      hint: `Choose the port yourself: -f 8080:${forward.guestPort}`,
      exitCode: ExitCode.unavailable,
    });
  });
}

const HOST_FORWARD =
  /^\s*(TCP|UDP)\s*\[HOST_FORWARD\]\s+\d+\s+(\*|[\d.]{7,15})\s+(\d{1,5})\s+[\d.]{7,15}\s+(\d{1,5})\s/gm;

/** What listening there fails with; undefined when it works. */
function tryPort({ protocol, address, hostPort }: Forward): Promise<unknown> {
  const host = address === "" ? "0.0.0.0" : address;
  return new Promise((resolve) => {
    if (protocol === "tcp") {
      const server = createServer();
      server.once("error", resolve);
      server.listen({ port: hostPort, host, exclusive: true }, () => server.close(() => resolve(undefined)));
    } else {
      const socket = createSocket("udp4");
      socket.once("error", (error) => socket.close(() => resolve(error)));
      socket.bind({ port: hostPort, address: host, exclusive: true }, () => socket.close(() => resolve(undefined)));
    }
  });
}

function explain(
  { protocol, address, hostPort, guestPort }: Forward,
  { problem, root }: { problem: unknown; root: string },
): CapstanError {
  const where = `${protocol} port ${hostPort}${address === "" ? "" : ` of ${address}`}`;
  const guest = `${guestPort}${protocol === "udp" ? "/udp" : ""}`;
  const another = `-f ${hostPort < 1024 ? hostPort + 8000 : hostPort + 1}:${guest}`;
  const options = { exitCode: ExitCode.unavailable, cause: problem } as const;
  if (isErrno(problem, "EACCES", "EPERM")) {
    return new CapstanError(`You may not listen on ${where} of this machine: ports below 1024 are closed to you`, {
      ...options,
      code: "port-denied",
      hint: `Choose another one: ${another}`,
    });
  }
  if (isErrno(problem, "EADDRNOTAVAIL", "EINVAL")) {
    return new CapstanError(`${address} is not an address of this machine`, {
      ...options,
      code: "address-unavailable",
      hint: "Leave it out, or take one that 'ip address' shows.",
    });
  }
  if (!isErrno(problem, "EADDRINUSE")) throw problem;
  const holder = findPortHolder({ protocol, port: hostPort, root });
  return new CapstanError(`Cannot listen on ${where} of this machine: ${describe(holder)}`, {
    ...options,
    code: "port-in-use",
    hint: `${holder?.kind === "instance" ? `Stop that one (capstan stop ${holder.name}), choose` : "Choose"} another host port (${another}), or let a free one be chosen (-f :${guest}).`,
  });
}

function describe(holder: PortHolder | undefined): string {
  if (holder === undefined) return "another program has it";
  if (holder.kind === "instance") return `the instance ${holder.name} has it`;
  return `${holder.name} (process ${holder.pid}) has it`;
}
