import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { chooseMonitorPath } from "../hypervisors/qemu/monitor-path.ts";
import type { Context } from "../support/context.ts";
import { InterruptedError } from "../support/errors.ts";
import type { Acquired } from "./acquire.ts";
import { ConsoleLog, logLimits } from "./console/log-writer.ts";
import { ControlServer } from "./control/server.ts";
import { FILES } from "./layout.ts";
import { type LivingGuest, live } from "./life.ts";
import { mend, type Owner, update } from "./lock.ts";
import type { Plan } from "./plan.ts";
import type { Stage } from "./prepare.ts";
import type { Remains } from "./remains.ts";
import { pauseBeforeRestart, STEADY_MS, wantsRestart } from "./restart-policy.ts";
import type { RunInput } from "./run-input.ts";
import { controlHandlers } from "./session-control.ts";
import { type InstanceState, type InstanceTimes, readState } from "./state.ts";
import { StateKeeper } from "./state-keeper.ts";
import type { Supervised } from "./supervise.ts";
import { failure, isByUser, judge, type Verdict } from "./verdict.ts";

export interface SessionInput {
  readonly plan: Plan;
  readonly input: RunInput;
  readonly context: Context;
  readonly acquired: Acquired;
  readonly owner: Owner;
  readonly remains: Remains;
  /** Milliseconds since 1970. */
  readonly asked: number;
  /** What to say when QEMU is up. */
  readonly announcement: string;
}

/** What became of the last guest of a session. */
export interface SessionResult {
  readonly supervised: Supervised;
  readonly state: InstanceState;
}

/** How often it is looked whether the instance's folder is there still. */
const FOLDER_CHECK_MS = 2000;
const DELETED_GRACE_MS = 5000;
/** How long a guest that says nothing keeps people waiting. */
const SILENCE_MS = 10_000;

/** A run of an instance from its start to its end, with all restarts: keeps its state and its log, and does as it is told. */
export class Session {
  readonly #given: SessionInput;
  readonly #context: Context;
  readonly #stopper = new AbortController();
  readonly #state: StateKeeper;
  readonly #owner: Owner & { readonly monitor: string };
  readonly #control: string;
  readonly #ended: Promise<void>;
  #tellEnd = () => {};
  #guest: LivingGuest | undefined;
  #again: Stage | undefined;
  #log: ConsoleLog | undefined;
  /** Whether a guest has said something. */
  #hasLived = false;
  #isReady = false;
  /** What the lock says, for when it is damaged. */
  #inLock: Owner | undefined;

  constructor(given: SessionInput) {
    this.#given = given;
    const { acquired, context, remains, plan, owner, asked } = given;
    const { folder } = acquired;
    this.#context = { ...context, signal: AbortSignal.any([context.signal, this.#stopper.signal]) };
    this.#ended = new Promise((resolve) => {
      this.#tellEnd = resolve;
    });
    const monitor = chooseMonitorPath(join(folder, FILES.monitor), context.env);
    const control = chooseMonitorPath(join(folder, FILES.control), context.env);
    Object.assign(remains, { monitor, control });
    this.#control = control.path;
    this.#owner = {
      ...owner,
      ...{ monitor: monitor.path, monitorFolder: monitor.folder },
      ...{ control: control.path, controlFolder: control.folder },
    };
    const created = readState(folder)?.times.created ?? asked;
    const { forwards, memory, cpus } = plan.config;
    const first = { version: 1, state: "created", restarts: 0, forwards, memory, cpus } as const;
    this.#state = new StateKeeper(folder, { ...first, times: { created, asked } }, (error) =>
      this.#warn("The state of the instance cannot be written down", error),
    );
  }

  /** @throws CapstanError when the guest cannot be started, or QEMU itself fails */
  async run(): Promise<SessionResult> {
    const { acquired } = this.#given;
    const control = await ControlServer.listen(this.#control, this.#handlers());
    const stopLooking = this.#lookAfterFolder();
    try {
      update(acquired.lock, this.#owner);
      const { supervised, verdict } = await this.#live();
      this.#state.finish({ ...verdict, times: { ended: this.#now() } });
      return { supervised, state: this.#state.current };
    } catch (error) {
      this.#state.finish({ ...this.#verdictOf(error), times: { ended: this.#now() } });
      throw error;
    } finally {
      stopLooking();
      this.#log?.close();
      this.#tellEnd();
      await control.close();
    }
  }

  /** One guest after the other. */
  async #live(): Promise<{ supervised: Supervised; verdict: Verdict }> {
    const { plan, input, acquired, remains } = this.#given;
    let stage: Stage = { plan, input, context: this.#context, folder: acquired.folder };
    for (let earlier = 0; ; earlier++) {
      const began = this.#now();
      const end = await this.#liveOnce(stage);
      if (this.#now() - began >= STEADY_MS) earlier = 0;
      const failed = end.verdict.state === "failed";
      const goesOn = !isByUser(end.verdict) && !this.#context.signal.aborted;
      if (!goesOn || !wantsRestart(plan.config.restart, failed, earlier)) {
        if ("error" in end) throw end.error;
        return end;
      }
      remains.removeGuest();
      if (!(await this.#pause(end.verdict, pauseBeforeRestart(earlier)))) throw new InterruptedError();
      stage = this.#again ?? stage;
    }
  }

  /** An error counts as the end of a guest where one has lived: without it, there is nothing to start again. */
  async #liveOnce(
    stage: Stage,
  ): Promise<{ supervised: Supervised; verdict: Verdict } | { error: unknown; verdict: Verdict }> {
    const { acquired, remains, input, plan } = this.#given;
    const { timeoutMs } = plan.config;
    const spent = this.#now() - this.#given.asked;
    try {
      const supervised = await live({
        ...{ stage, name: acquired.name, lock: acquired.lock, owner: this.#owner, remains, state: this.#state },
        ...{ console: input.console, onInterrupt: input.onInterrupt, signal: this.#given.context.signal },
        timeoutMs: timeoutMs === undefined ? undefined : Math.max(timeoutMs - spent, 1),
        onOutput: (chunk) => this.#take(chunk),
        onGuest: (guest) => this.#greet(guest, stage),
      });
      this.#keep();
      return { supervised, verdict: judge(supervised, timeoutMs) };
    } catch (error) {
      if (!this.#hasLived) throw error;
      return { error, verdict: this.#verdictOf(error) };
    } finally {
      this.#guest = undefined;
    }
  }

  #greet(guest: LivingGuest, stage: Stage): void {
    const { announcement, context } = this.#given;
    const { boot, ownCommandLine } = guest.started;
    const isFirst = this.#again === undefined;
    this.#guest = guest;
    this.#mendLock();
    // A guest that is started again goes on with its disk, and with the same command.
    this.#again = {
      ...stage,
      plan: {
        ...stage.plan,
        image: undefined,
        saved: { ...stage.plan.config, commandLine: ownCommandLine },
        kernel: boot.kind === "kernel" ? boot.kernel : undefined,
      },
      input: { ...stage.input, commandLine: undefined },
    };
    if (this.#stopper.signal.aborted) guest.ender.stop(0);
    if (!isFirst) return;
    context.reporter.report({ kind: "step", text: announcement });
    const waited = delay(SILENCE_MS, undefined, { ref: false, signal: this.#context.signal }).catch(() => {});
    void waited.then(() => this.#ready());
  }

  #take(chunk: Buffer): void {
    const { context, acquired, plan } = this.#given;
    const { logBytes } = plan.config;
    this.#log ??= new ConsoleLog({
      ...{ folder: acquired.folder, now: context.now },
      ...(logBytes === undefined ? {} : logLimits(logBytes)),
      onTrouble: (error) => this.#warn("The console cannot be written to the log", error),
    });
    this.#log.append(chunk);
    if (this.#hasLived) return;
    this.#hasLived = true;
    this.#keep();
    this.#ready();
  }

  /** A new instance is worth keeping once its guest has said something: one that QEMU refused would only be in the way. */
  #keep(): void {
    const { remains, plan } = this.#given;
    remains.isKept = plan.isKept;
  }

  #ready(): void {
    if (this.#isReady) return;
    this.#isReady = true;
    const tell = () => this.#given.input.onReady?.(this.#given.acquired.name, this.#state.current);
    void (this.#guest?.portsKnown ?? Promise.resolve()).then(tell);
  }

  /** Whether it is time for the next one: not when the instance was told to stop meanwhile. */
  async #pause(verdict: Verdict, milliseconds: number): Promise<boolean> {
    this.#state.update({ ...verdict, state: "restarting", health: undefined, times: { ended: this.#now() } });
    const { reporter } = this.#context;
    const why = verdict.reason === undefined ? "The guest has ended" : `The guest has failed (${verdict.reason})`;
    reporter.report({ kind: "step", text: `${why}: starting it again in ${milliseconds / 1000} s` });
    try {
      await delay(milliseconds, undefined, { signal: this.#context.signal });
    } catch {
      return false;
    }
    const times = { ...NO_TIMES, asked: this.#now() };
    const restarts = this.#state.current.restarts + 1;
    this.#state.update({ restarts, reason: undefined, guestStatus: undefined, end: undefined, times });
    return true;
  }

  #handlers() {
    return controlHandlers({
      state: () => this.#state.current,
      guest: () => this.#guest,
      ended: this.#ended,
      // Between two guests, or before the first one.
      stopStarting: () => this.#stopper.abort(new InterruptedError()),
    });
  }

  #verdictOf(error: unknown): Verdict {
    if (!(error instanceof InterruptedError)) return failure(error);
    const end = this.#stopper.signal.aborted ? "stopped" : "interrupted";
    return { state: "stopped", end, reason: undefined, guestStatus: undefined };
  }

  /** An instance whose folder was deleted under it could not be found by anyone any more: it is ended. */
  #lookAfterFolder(): () => void {
    let missed = 0;
    const timer = setInterval(() => {
      this.#mendLock();
      missed = existsSync(this.#given.acquired.folder) ? 0 : missed + 1;
      if (missed !== 2) return;
      this.#context.reporter.report({ kind: "warning", text: "The folder of the instance is gone: ending the guest" });
      this.#stopper.abort(new InterruptedError());
      this.#guest?.ender.stop(DELETED_GRACE_MS);
    }, FOLDER_CHECK_MS);
    return () => clearInterval(timer);
  }

  /** Without a lock that can be read, nobody would know that the guest runs. */
  #mendLock(): void {
    try {
      this.#inLock = mend(this.#given.acquired.lock, this.#inLock ?? this.#owner);
    } catch {
      // A full disk, or a folder that is gone: at the next look.
    }
  }

  #warn(what: string, error: unknown): void {
    const why = error instanceof Error ? error.message : String(error);
    this.#context.reporter.report({ kind: "warning", text: `${what}: ${why}` });
  }

  #now(): number {
    return this.#context.now().getTime();
  }
}

const NO_TIMES: Partial<InstanceTimes> = {
  qemuStarted: undefined,
  firstByte: undefined,
  firstLine: undefined,
  ended: undefined,
};
