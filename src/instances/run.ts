import { statSync } from "node:fs";
import { join } from "node:path";
import type { Acceleration } from "../hypervisors/machine.ts";
import { qemuArguments } from "../hypervisors/qemu/arguments.ts";
import { chooseMonitorPath } from "../hypervisors/qemu/monitor-path.ts";
import { type QemuProcess, startQemu } from "../hypervisors/qemu/process.ts";
import type { Context } from "../support/context.ts";
import { checkAborted } from "../support/errors.ts";
import { type Acquired, acquireNew, acquirePersisted, freeName } from "./acquire.ts";
import type { ConsoleSignal } from "./console-watch.ts";
import { FILES, instanceFolder } from "./layout.ts";
import { type Owner, update } from "./lock.ts";
import { makePlan, type Plan } from "./plan.ts";
import { describeMachine, foreseeDisk, prepareDisk, type Stage } from "./prepare.ts";
import { identify } from "./process-identity.ts";
import { Remains } from "./remains.ts";
import type { PlanInput, RunInput } from "./run-input.ts";
import { shellQuote } from "./shell-quote.ts";
import { type Supervised, supervise } from "./supervise.ts";

export interface RunResult {
  readonly name: string;
  readonly image: string;
  /** `ok` and `failed` are what the guest said; the others, what made an end of it. */
  readonly outcome: "ok" | "failed" | "interrupted" | "terminated";
  /** The exit status of the guest's program, where its kernel told it. */
  readonly guestStatus?: number | undefined;
  /** What to do about a failure; for other outcomes, what may explain a misbehaviour. */
  readonly advice: readonly string[];
  /** What was recognised on the guest's console. */
  readonly signals: readonly ConsoleSignal[];
  /** What the guest booted with. */
  readonly commandLine: string;
  readonly acceleration: Acceleration;
  readonly timings: RunTimings;
}

/** Milliseconds since 1970. */
export interface RunTimings {
  readonly asked: number;
  readonly qemuStarted: number;
  readonly firstByte: number | undefined;
  readonly ended: number;
}

/**
 * Runs an instance until it ends. The image is never written: what the guest changes goes to an overlay of its own, which
 * is removed at the end together with everything else, unless the instance is persisted.
 * @throws CapstanError of many codes; QEMU's own failures are explained in hypervisors/qemu/failures.ts
 */
export async function runInstance(input: RunInput, context: Context): Promise<RunResult> {
  const asked = context.now().getTime();
  const plan = await makePlan(input, context);
  const { acquired, announcement } = acquire(plan, input, context);
  // A new instance is worth keeping once its guest has said something: one that QEMU refused would only be in the way.
  const remains = new Remains(acquired, plan.saved !== undefined);
  const onLife = () => {
    remains.isKept = plan.isKept;
  };
  const releaseExit = input.onExit?.(() => remains.remove());
  try {
    const { guest, monitor, commandLine } = await start(
      { plan, input, context, folder: acquired.folder },
      acquired,
      remains,
    );
    const qemuStarted = context.now().getTime();
    context.reporter.report({ kind: "step", text: announcement });
    const { console, onInterrupt } = input;
    const supervised = await supervise({ guest, monitor, commandLine, console, onInterrupt, onLife }, context);
    onLife();
    const timings = { asked, qemuStarted, firstByte: supervised.firstByte, ended: context.now().getTime() };
    return toResult(supervised, { plan, name: acquired.name, commandLine, timings });
  } finally {
    remains.remove();
    releaseExit?.();
  }
}

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
  const { boot } = foreseeDisk(stage);
  const machine = describeMachine(stage, { name, boot, monitor: join(folder, FILES.monitor) });
  const argv = [plan.qemu.path, ...qemuArguments(machine, plan.qemu.capabilities)];
  return { name, argv, command: shellQuote(argv) };
}

function acquire(
  plan: Plan,
  { root, image }: RunInput,
  context: Context,
): { acquired: Acquired; announcement: string } {
  const { name, saved } = plan;
  const owner = ownerOf(plan, context);
  if (saved !== undefined) {
    const acquired = acquirePersisted(root, name, owner);
    const isOld = image !== undefined && !isSameFile(image.path, join(acquired.folder, FILES.base));
    const from = isOld ? ", made from the image as it was then" : "";
    return { acquired, announcement: `Starting the instance ${name} again with its own disk${from}` };
  }
  const acquired = acquireNew(root, name, owner);
  const why = acquired.name === name ? "" : `, as ${name} is running`;
  return { acquired, announcement: `Created the instance ${acquired.name}${why}` };
}

function isSameFile(one: string, other: string): boolean {
  const [a, b] = [one, other].map((path) => statSync(path, { throwIfNoEntry: false }));
  // Without a base of its own, the instance's disk lies over the image itself.
  return a === undefined || b === undefined || (a.ino === b.ino && a.dev === b.dev);
}

function ownerOf({ imageName, isKept }: Plan, context: Context): Owner {
  return {
    capstan: identify(process.pid),
    image: imageName,
    persist: isKept,
    started: context.now().toISOString(),
  };
}

interface Started {
  readonly guest: QemuProcess;
  readonly monitor: string;
  readonly commandLine: string;
}

async function start(stage: Stage, { name, lock }: Acquired, remains: Remains): Promise<Started> {
  const { plan, context, folder } = stage;
  const monitor = chooseMonitorPath(join(folder, FILES.monitor), context.env);
  remains.monitor = monitor;
  const { boot, commandLine } = await prepareDisk(stage);
  const machine = describeMachine(stage, { name, boot, monitor: monitor.path });
  checkAborted(context.signal);
  const guest = await startMachine(plan, qemuArguments(machine, plan.qemu.capabilities), context);
  remains.guest = guest;
  const owner = { ...ownerOf(plan, context), monitor: monitor.path, monitorFolder: monitor.folder };
  update(lock, { ...owner, qemu: identify(guest.pid) });
  return { guest, monitor: monitor.path, commandLine };
}

function startMachine({ qemu }: Plan, args: readonly string[], { env, reporter }: Context): Promise<QemuProcess> {
  const tell = (text: string) => reporter.report({ kind: "detail", text });
  if (reporter.verbose) tell(shellQuote([qemu.path, ...args]));
  return startQemu({ path: qemu.path, args, env, onDiagnostic: tell });
}

function toResult(
  { end, findings }: Supervised,
  { plan, name, commandLine, timings }: Pick<RunResult, "name" | "commandLine" | "timings"> & { readonly plan: Plan },
): RunResult {
  const said = findings.failed || end === "halted" ? "failed" : "ok";
  return {
    name,
    image: plan.imageName,
    outcome: end === "interrupted" || end === "terminated" ? end : said,
    guestStatus: findings.guestStatus,
    advice: findings.advice,
    signals: findings.signals,
    commandLine,
    acceleration: plan.acceleration,
    timings,
  };
}
