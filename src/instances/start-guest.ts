import { userInfo } from "node:os";
import { thisHost } from "../hypervisors/host.ts";
import type { Boot, NetworkCard } from "../hypervisors/machine.ts";
import { qemuArguments } from "../hypervisors/qemu/arguments.ts";
import { type QemuProcess, startQemu } from "../hypervisors/qemu/process.ts";
import { checkAborted } from "../support/errors.ts";
import { type Lock, type Owner, update } from "./lock.ts";
import { type MountsInput, prepareMounts } from "./mounts/prepare.ts";
import { type NetworksInput, type PreparedNetworks, prepareNetworks } from "./network/prepare.ts";
import { describeMachine, diskPath, prepareDisk, type Stage } from "./prepare.ts";
import type { Remains } from "./remains.ts";
import { shellQuote } from "./shell-quote.ts";
import { lockVolumes } from "./volumes/uses.ts";

export interface StartedGuest {
  readonly guest: QemuProcess;
  /** QEMU and its arguments. */
  readonly argv: readonly string[];
  /** What it boots with. */
  readonly commandLine: string;
  /** The same without what is good for this start only. */
  readonly ownCommandLine: string;
  readonly boot: Boot;
  readonly networks: PreparedNetworks;
  readonly cards: readonly NetworkCard[];
}

export interface StartGuestInput {
  readonly stage: Stage;
  readonly name: string;
  readonly lock: Lock;
  /** Without QEMU. */
  readonly owner: Owner & { readonly monitor: string };
  /** Is told of each thing as soon as it is there. */
  readonly remains: Remains;
}

/** Prepares all that a guest needs in a folder that is ours, and starts it. @throws CapstanError of many codes */
export async function startGuest({ stage, name, lock, owner, remains }: StartGuestInput): Promise<StartedGuest> {
  const { plan, context, input } = stage;
  const networks = await prepareNetworks(networksInput(stage, name), context);
  remains.networks = networks;
  await lockVolumes({ root: input.root, volumes: plan.config.volumes, lock, signal: context.signal });
  const mounts = await prepareMounts(mountsInput(stage), context);
  remains.mounts = mounts;
  const loaderOptions = [...networks.loaderOptions, ...mounts.loaderOptions];
  const disk = await prepareDisk(stage, { ...networks, loaderOptions });
  const { cards } = networks;
  const machine = describeMachine(stage, {
    name,
    boot: disk.boot,
    cards,
    folders: mounts.folders,
    monitor: owner.monitor,
  });
  checkAborted(context.signal);
  const args = qemuArguments(machine, plan.qemu.capabilities);
  const argv = [plan.qemu.path, ...args];
  const { reporter, env } = context;
  const tell = (text: string) => reporter.report({ kind: "detail", text });
  if (reporter.verbose) tell(shellQuote(argv));
  update(lock, { ...owner, starting: true });
  const guest = await startQemu({ path: plan.qemu.path, args, env, onDiagnostic: tell });
  remains.guest = guest;
  return { guest, argv, networks, cards, ...disk };
}

export function mountsInput({ plan, folder }: Pick<Stage, "plan" | "folder">): MountsInput {
  return { mounts: plan.config.mounts, folder, disk: plan.image?.path ?? diskPath(folder) };
}

export function networksInput({ plan, input, folder }: Omit<Stage, "context">, name: string): NetworksInput {
  const { platform } = input.host ?? thisHost();
  return {
    ...{ root: input.root, name, folder, place: plan.place, config: plan.config },
    capabilities: plan.qemu.capabilities,
    host: { platform, uid: userInfo().uid },
  };
}
