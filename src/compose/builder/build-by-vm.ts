import { createServer } from "node:net";
import { planCpio } from "../../filesystems/cpio/writer.ts";
import type { FileTree } from "../../filesystems/filetree.ts";
import type { ZfsRoot } from "../../filesystems/zfs/writer.ts";
import type { MachineDescription } from "../../hypervisors/machine.ts";
import { qemuArguments } from "../../hypervisors/qemu/arguments.ts";
import type { Qemu } from "../../hypervisors/qemu/find.ts";
import { startQemu } from "../../hypervisors/qemu/process.ts";
import { MiB } from "../../support/bytes.ts";
import type { Context } from "../../support/context.ts";
import { CapstanError, ExitCode } from "../../support/errors.ts";
import { uploadTree } from "../upload.ts";
import { BuilderGuest } from "./builder-guest.ts";

/** What makes a file system in a virtual machine. */
export interface Builder {
  /** The kernel of osv-zfs-builder: an ELF. */
  readonly kernel: string;
  readonly machine: BuilderMachine;
}

export interface BuilderRequest extends Builder {
  /** A qcow2 disk whose partition 2 is empty. */
  readonly disk: string;
  /** The data set that becomes the root. */
  readonly root: ZfsRoot;
  readonly tree: FileTree;
}

/** What runs the builder. */
export interface BuilderMachine {
  readonly qemu: Qemu;
  readonly acceleration: MachineDescription["acceleration"];
  /** How long the guest may show no progress, on its console or in what it takes; 120 s. */
  readonly stallMs?: number | undefined;
}

export interface BuiltByVm {
  /** Sent to the guest. */
  readonly bytes: number;
}

/**
 * Fills the root file system of a disk as the original does: OSv's builder kernel makes a pool on partition 2, takes the
 * files over the network, and powers off. The port is any free one; the wait is for progress, not for a time.
 *
 * Errors: CapstanError `builder-one-root`, `builder-failed`, `builder-stalled`, those of `uploadTree`, of QEMU and of the contents.
 */
export async function buildByVm(request: BuilderRequest, context: Context): Promise<BuiltByVm> {
  if (request.root === "both") throw oneRootOnly();
  for (let attempt = 1; ; attempt++) {
    try {
      return await tryPort(await freePort(), request, context);
    } catch (error) {
      // Somebody else took the port in the moment between.
      const isTaken = error instanceof CapstanError && error.code === "port-in-use";
      if (!isTaken || attempt === MOST_ATTEMPTS) throw error;
    }
  }
}

const MOST_ATTEMPTS = 5;
const STALL_MS = 120_000;

async function tryPort(port: number, request: BuilderRequest, context: Context): Promise<BuiltByVm> {
  const { qemu, stallMs = STALL_MS } = request.machine;
  const plan = planCpio(request.tree);
  const args = qemuArguments(machineOf(port, request), qemu.capabilities);
  const tell = (text: string) => context.reporter.report({ kind: "detail", text });
  tell(`The builder ${request.kernel} takes the files on port ${port} of this machine`);
  const process = await startQemu({ path: qemu.path, args, env: context.env, onDiagnostic: tell });
  const guest = new BuilderGuest(process, { stallMs, signal: context.signal, onLine: tell });
  try {
    await guest.waiting();
    const target = { host: "127.0.0.1", port, waitMs: 0, idleMs: stallMs };
    const { reporter } = context;
    const watched: Context = {
      ...context,
      reporter: {
        verbose: reporter.verbose,
        report: (event) => {
          guest.progress();
          reporter.report(event);
        },
      },
    };
    const { bytes } = await guest.during(uploadTree(plan, target, watched));
    await guest.ended();
    return { bytes };
  } finally {
    await guest.end();
  }
}

/** Mount points of the data sets in the builder: tools/mkfs/mkfs.cc of OSv. */
const PREFIXES = { osv: "/zfs", "osv/zfs": "/zfs/zfs", both: "" } as const;

function machineOf(port: number, { kernel, disk, root, machine }: BuilderRequest): MachineDescription {
  const commands = [
    "--console=serial --norandom --nomount --noinit --preload-zfs-library /tools/mkfs.so",
    `/tools/cpiod.so --prefix ${PREFIXES[root]}`,
    "/zfs.so set compression=off osv",
  ];
  const forward = { protocol: "tcp", address: "127.0.0.1", hostPort: port, guestPort: 10_000 } as const;
  return {
    name: "capstan-builder",
    memory: 512 * MiB,
    cpus: 1,
    acceleration: machine.acceleration,
    boot: { kind: "kernel", kernel, commandLine: commands.join("; ") },
    disks: [{ path: disk, format: "qcow2", aio: "threads", cache: "unsafe", readonly: false }],
    cards: [{ network: { kind: "user", forwards: [forward], net: "192.168.122.0/24", host: "192.168.122.1" } }],
  };
}

function oneRootOnly(): CapstanError {
  return new CapstanError("The builder fills one data set, and not the two that boot on any kernel", {
    code: "builder-one-root",
    hint: "Name it: --zfs-root osv for kernels after v0.57.0, or osv/zfs.",
    exitCode: ExitCode.usage,
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
