import { join } from "node:path";
import { qemuArguments } from "../hypervisors/qemu/arguments.ts";
import type { Context } from "../support/context.ts";
import { freeName } from "./acquire.ts";
import { FILES, instanceFolder } from "./layout.ts";
import { foreseeMounts } from "./mounts/prepare.ts";
import { foreseeNetworks } from "./network/prepare.ts";
import { makePlan } from "./plan.ts";
import { describeMachine, foreseeDisk } from "./prepare.ts";
import type { PlanInput } from "./run-input.ts";
import { shellQuote } from "./shell-quote.ts";
import { mountsInput, networksInput } from "./start-guest.ts";

export interface DryRun {
  readonly name: string;
  /** The program and its arguments. */
  readonly argv: readonly string[];
  /** The same as one line for a shell. */
  readonly command: string;
}

/** The command that would start QEMU. The instance's disk, which it names, is not there; nothing is made or started. */
export async function dryRunInstance(input: PlanInput, context: Context): Promise<DryRun> {
  const plan = await makePlan(input, context);
  const name = plan.saved === undefined ? freeName(input.root, plan.name) : plan.name;
  const folder = instanceFolder(input.root, name);
  const stage = { plan, input, context, folder };
  const networks = foreseeNetworks(networksInput(stage, name), context.env);
  const { folders, loaderOptions } = foreseeMounts(mountsInput(stage));
  const { boot } = foreseeDisk(stage, [...networks.loaderOptions, ...loaderOptions]);
  const { cards } = networks;
  const machine = describeMachine(stage, { name, boot, cards, folders, monitor: join(folder, FILES.monitor) });
  const argv = [plan.qemu.path, ...qemuArguments(machine, plan.qemu.capabilities)];
  return { name, argv, command: shellQuote(argv) };
}
