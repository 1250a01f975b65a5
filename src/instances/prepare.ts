import { join } from "node:path";
import type { Boot, MachineDescription } from "../hypervisors/machine.ts";
import type { Context } from "../support/context.ts";
import { writeConfig } from "./config.ts";
import { FILES } from "./layout.ts";
import { machineOf } from "./machine.ts";
import { changeCommandLine, createOverlay, keepByLink, readCommandLine } from "./overlay.ts";
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
  readonly boot: Boot;
}

/** Makes or adapts the disk in the instance's folder, which is ours. */
export async function prepareDisk(stage: Stage): Promise<PreparedDisk> {
  const { image } = stage.plan;
  return image === undefined ? adaptDisk(stage) : await makeDisk(stage, image);
}

/** The same without touching anything. */
export function foreseeDisk(stage: Stage): PreparedDisk {
  const { image, kernel, saved } = stage.plan;
  const composed = saved?.commandLine ?? (image === undefined ? "" : readCommandLine(image.path));
  const commandLine = stage.input.commandLine?.(composed) ?? composed;
  return { commandLine, boot: bootOf(kernel, commandLine, stage.context) };
}

export function diskPath(folder: string): string {
  return join(folder, FILES.disk);
}

export interface DescribeInput {
  readonly name: string;
  readonly boot: Boot;
  readonly monitor: string;
}

export function describeMachine({ plan, input, context, folder }: Stage, parts: DescribeInput): MachineDescription {
  const aio = input.aio ?? "threads";
  // Nobody misses a disk that is removed at the end: what the guest flushes need not reach it.
  const cache = aio === "native" ? "none" : plan.isKept ? "writeback" : "unsafe";
  return machineOf({
    ...parts,
    config: plan.config,
    place: plan.place,
    env: context.env,
    acceleration: plan.acceleration,
    disk: { path: diskPath(folder), format: "qcow2", aio, cache, readonly: false },
  });
}

async function makeDisk(stage: Stage, image: RunImage): Promise<PreparedDisk> {
  const { plan, input, context, folder } = stage;
  const commandLine = createOverlay({
    path: diskPath(folder),
    base: keepByLink(image.path, join(folder, FILES.base)),
    commandLine: input.commandLine,
    durable: plan.isKept,
  });
  const kernel = plan.kernel === undefined ? undefined : keepByLink(plan.kernel, join(folder, FILES.kernel));
  if (plan.isKept) await writeConfig(folder, { ...plan.config, commandLine });
  return { commandLine, boot: bootOf(kernel, commandLine, context) };
}

function adaptDisk(stage: Stage): PreparedDisk {
  const prepared = foreseeDisk(stage);
  if (prepared.boot.kind === "disk") {
    changeCommandLine(diskPath(stage.folder), prepared.commandLine);
  }
  return prepared;
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
