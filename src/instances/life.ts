import type { Context } from "../support/context.ts";
import { FirstLine } from "./console/first-line.ts";
import type { RunConsole } from "./console-bridge.ts";
import type { Ender } from "./ender.ts";
import { formatForward } from "./forwards.ts";
import { GuestInput } from "./guest-input.ts";
import { watchHealth } from "./health.ts";
import { healthAttempts } from "./health-attempt.ts";
import { type Lock, type Owner, update } from "./lock.ts";
import type { Stage } from "./prepare.ts";
import { identify } from "./process-identity.ts";
import type { Remains } from "./remains.ts";
import { type StartedGuest, startGuest } from "./start-guest.ts";
import type { StateKeeper } from "./state-keeper.ts";
import { type Supervised, supervise } from "./supervise.ts";

export interface LifeInput {
  readonly stage: Stage;
  readonly name: string;
  readonly lock: Lock;
  /** Without QEMU. */
  readonly owner: Owner & { readonly monitor: string };
  readonly remains: Remains;
  readonly state: StateKeeper;
  readonly console: RunConsole;
  readonly onInterrupt?: ((handler: () => void) => () => void) | undefined;
  /** Its abort ends the guest as the user's Ctrl-C or a SIGTERM does. */
  readonly signal: AbortSignal;
  readonly timeoutMs: number | undefined;
  readonly onOutput: (chunk: Buffer) => void;
  /** QEMU is up. */
  readonly onGuest: (guest: LivingGuest) => void;
}

export interface LivingGuest {
  readonly started: StartedGuest;
  readonly ender: Ender;
  readonly input: GuestInput;
  /** Resolves when the host ports that were left open are known, or cannot be found out. */
  readonly portsKnown: Promise<void>;
}

/** One guest of an instance, from its start to its end. @throws CapstanError when it cannot be started, or QEMU fails */
export async function live(life: LifeInput): Promise<Supervised> {
  const { stage, lock, owner, state, console, onInterrupt, timeoutMs } = life;
  const { plan, context } = stage;
  const asked = state.current.times.asked;
  const started = await startGuest(life);
  const { guest, argv, commandLine, cards } = started;
  const input = new GuestInput(guest);
  update(lock, { ...owner, qemu: identify(guest.pid) });
  state.update({
    ...{ state: "running", argv, commandLine, acceleration: plan.acceleration, mac: cards[0]?.mac },
    times: { qemuStarted: context.now().getTime() },
  });
  const portsKnown = readPorts(started, life);
  const stopHealth = plan.config.health === undefined ? () => {} : startHealth(life, asked);
  const noteTimes = lifeTimes(state, commandLine, context);
  const onOutput = (chunk: Buffer) => {
    life.onOutput(chunk);
    noteTimes(chunk);
  };
  const onEnder = (ender: Ender) => life.onGuest({ started, ender, input, portsKnown });
  try {
    return await supervise(
      { guest, monitor: owner.monitor, commandLine, console, onInterrupt, timeoutMs, onOutput, onEnder },
      { ...context, signal: life.signal },
    );
  } finally {
    stopHealth();
  }
}

/** Notes when a guest says something first, and when its program does. */
function lifeTimes(state: StateKeeper, commandLine: string, { now }: Context): (chunk: Buffer) => void {
  const time = () => now().getTime();
  const line = new FirstLine({ commandLine, onFirstLine: () => state.update({ times: { firstLine: time() } }) });
  return (chunk) => {
    if (state.current.times.firstByte === undefined) state.update({ times: { firstByte: time() } });
    line.push(chunk);
  };
}

async function readPorts({ networks }: StartedGuest, { stage, owner, state }: LifeInput): Promise<void> {
  const { reporter } = stage.context;
  const wanted = stage.plan.config.forwards;
  try {
    const forwards = await networks.readForwards(owner.monitor);
    state.update({ forwards });
    for (const [index, forward] of forwards.entries()) {
      if (wanted[index]?.hostPort !== 0) continue;
      reporter.report({ kind: "step", text: `Forwarding ${formatForward(forward)}` });
    }
  } catch (error) {
    reporter.report({ kind: "detail", text: error instanceof Error ? error.message : String(error) });
  }
}

/** Its target is looked up at each attempt, as ports become known later. */
function startHealth({ stage, owner, state }: LifeInput, since: number): () => void {
  const { plan, folder, context } = stage;
  const check = plan.config.health;
  if (check === undefined) return () => {};
  const { attempt, close } = healthAttempts({
    ...{ check, folder, since, monitor: owner.monitor },
    get forwards() {
      return state.current.forwards;
    },
  });
  const stop = watchHealth({ check, attempt, onChange: (health) => state.update({ health }), now: context.now });
  return () => {
    stop();
    close();
  };
}
