import { join } from "node:path";
import type { WritableBlockDevice } from "../disks/block-device.ts";
import type { Boot, MachineDescription, NetworkCard, SharedFolder } from "../hypervisors/machine.ts";
import type { Context } from "../support/context.ts";
import { writeConfig } from "./config.ts";
import { FILES } from "./layout.ts";
import { machineOf } from "./machine.ts";
import type { HostsEntry } from "./network/host-names.ts";
import { HOSTS_ROOM, writeHosts } from "./network/hosts-file.ts";
import { withLoaderOptions } from "./network/loader-options.ts";
import type { PreparedNetworks } from "./network/prepare.ts";
import { changeCommandLine, createOverlay, keepByLink, readCommandLine } from "./overlay.ts";
import { changeInPlace } from "./overlay-in-place.ts";
import type { Plan } from "./plan.ts";
import type { PlanInput, RunImage } from "./run-input.ts";

/** All that the making of a machine takes. */
export interface Stage {
  readonly plan: Plan;
  readonly input: PlanInput;
  readonly context: Context;
  readonly folder: string;
}

/** A disk that is ready, and what boots from it. */
export interface PreparedDisk {
  readonly commandLine: string;
  /** Without the options that are good for this start only. */
  readonly ownCommandLine: string;
  readonly boot: Boot;
}

/** Makes or adapts the disk in the instance's folder, which is ours. */
export async function prepareDisk(stage: Stage, networks: GuestNetworks): Promise<PreparedDisk> {
  const { image } = stage.plan;
  return image === undefined ? adaptDisk(stage, networks) : await makeDisk(stage, image, networks);
}

/** What a guest has to be told of its networks. */
export type GuestNetworks = Pick<PreparedNetworks, "loaderOptions" | "hosts">;

/** The same without touching anything. */
export function foreseeDisk(stage: Stage, loaderOptions: readonly string[]): PreparedDisk {
  const { image, kernel, saved } = stage.plan;
  const composed = saved?.commandLine ?? (image === undefined ? "" : readCommandLine(image.path));
  const ownCommandLine = stage.input.commandLine?.(composed) ?? composed;
  const commandLine = withLoaderOptions(loaderOptions, ownCommandLine);
  return { commandLine, ownCommandLine, boot: bootOf(kernel, commandLine, stage.context) };
}

export function diskPath(folder: string): string {
  return join(folder, FILES.disk);
}

export interface DescribeInput {
  readonly name: string;
  readonly boot: Boot;
  readonly monitor: string;
  readonly cards: readonly NetworkCard[];
  readonly folders: readonly SharedFolder[];
}

export function describeMachine({ plan, input, folder }: Stage, parts: DescribeInput): MachineDescription {
  const aio = input.aio ?? "threads";
  // Nobody misses a disk that is removed at the end: what the guest flushes need not reach it.
  const cache = aio === "native" ? "none" : plan.isKept ? "writeback" : "unsafe";
  return machineOf({
    ...parts,
    config: plan.config,
    acceleration: plan.acceleration,
    // One in the background goes on without the process that looks after it, with every QEMU.
    endsWithParent: input.detached !== true,
    disk: { path: diskPath(folder), format: "qcow2", aio, cache, readonly: false },
  });
}

async function makeDisk(stage: Stage, image: RunImage, { loaderOptions, hosts }: GuestNetworks): Promise<PreparedDisk> {
  const { plan, input, context, folder } = stage;
  let kept = "";
  const commandLine = createOverlay({
    path: diskPath(folder),
    base: keepByLink(image.path, join(folder, FILES.base)),
    commandLine: (composed) => {
      kept = input.commandLine?.(composed) ?? composed;
      return withLoaderOptions(loaderOptions, kept);
    },
    durable: plan.isKept,
    change: hosts.length === 0 ? undefined : { room: HOSTS_ROOM, write: hostsWriter(hosts, context) },
  });
  const kernel = plan.kernel === undefined ? undefined : keepByLink(plan.kernel, join(folder, FILES.kernel));
  if (plan.isKept) await writeConfig(folder, { ...plan.config, commandLine: kept });
  return { commandLine, ownCommandLine: kept, boot: bootOf(kernel, commandLine, context) };
}

function adaptDisk(stage: Stage, networks: GuestNetworks): PreparedDisk {
  const prepared = foreseeDisk(stage, networks.loaderOptions);
  if (prepared.boot.kind === "disk") {
    changeCommandLine(diskPath(stage.folder), prepared.commandLine);
  }
  if (networks.hosts.length > 0) {
    changeInPlace(diskPath(stage.folder), (disk) => hostsWriter(networks.hosts, stage.context)(disk));
  }
  return prepared;
}

/** Writes what a guest finds in its /etc/hosts; where that cannot be, it asks the hub of its network for names. */
function hostsWriter(hosts: readonly HostsEntry[], { reporter }: Context) {
  return (disk: WritableBlockDevice, roomStart?: number) => {
    if (writeHosts(disk, hosts, roomStart === undefined ? undefined : { start: roomStart })) return;
    const text = "The image has no /etc/hosts that could be changed: the guest asks its network for names";
    reporter.report({ kind: "detail", text });
  };
}

/** What survives in a directly booted kernel; longer ones kill it without a word. */
const LONGEST_DIRECT_COMMAND_LINE = 3600;

function bootOf(kernel: string | undefined, commandLine: string, { reporter }: Context): Boot {
  if (kernel === undefined) return { kind: "disk" };
  if (Buffer.byteLength(commandLine) <= LONGEST_DIRECT_COMMAND_LINE) return { kind: "kernel", kernel, commandLine };
  const text = `The boot command is longer than ${LONGEST_DIRECT_COMMAND_LINE} bytes: booting through the BIOS`;
  reporter.report({ kind: "detail", text });
  return { kind: "disk" };
}
