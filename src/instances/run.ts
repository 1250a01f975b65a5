import { statSync } from "node:fs";
import { join } from "node:path";
import type { Acceleration } from "../hypervisors/machine.ts";
import type { Context } from "../support/context.ts";
import { type Acquired, acquireNew, acquirePersisted } from "./acquire.ts";
import type { ConsoleSignal } from "./console-watch.ts";
import { FILES } from "./layout.ts";
import type { Owner } from "./lock.ts";
import { makePlan, type Plan } from "./plan.ts";
import { identify } from "./process-identity.ts";
import { Remains } from "./remains.ts";
import type { RunInput } from "./run-input.ts";
import { Session, type SessionResult } from "./session.ts";
import type { Supervised } from "./supervise.ts";

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
  const owner = ownerOf(plan, context);
  const { acquired, announcement } = acquire(plan, input, owner);
  const remains = new Remains(acquired, plan.saved !== undefined);
  const releaseExit = input.onExit?.(() => remains.remove());
  input.onFolder?.(acquired.folder);
  try {
    const session = new Session({ plan, input, context, acquired, owner, remains, asked, announcement });
    return toResult(await session.run(), plan, acquired.name);
  } finally {
    remains.remove();
    releaseExit?.();
  }
}

function acquire(
  plan: Plan,
  { root, image, exactName, persist }: RunInput,
  owner: Owner,
): { acquired: Acquired; announcement: string } {
  const { name, saved } = plan;
  if (saved !== undefined) {
    const acquired = acquirePersisted(root, name, owner);
    const isOld = image !== undefined && !isSameFile(image.path, join(acquired.folder, FILES.base));
    const from = isOld ? ", made from the image as it was then" : "";
    return { acquired, announcement: `Starting the instance ${name} again with its own disk${from}` };
  }
  const acquired = acquireNew(root, name, { owner, exact: exactName === true || persist === true });
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

function toResult({ supervised, state }: SessionResult, plan: Plan, name: string): RunResult {
  const { end, findings } = supervised;
  const { times, reason } = state;
  return {
    name,
    image: plan.imageName,
    outcome: end === "interrupted" || end === "terminated" ? end : outcomeOf(supervised),
    guestStatus: findings.guestStatus,
    advice: end === "timeout" && reason !== undefined ? [`The guest was ended: ${reason}.`] : findings.advice,
    signals: findings.signals,
    commandLine: state.commandLine ?? "",
    acceleration: plan.acceleration,
    timings: {
      asked: times.asked,
      qemuStarted: times.qemuStarted ?? times.asked,
      firstByte: times.firstByte,
      ended: times.ended ?? times.asked,
    },
  };
}

function outcomeOf({ end, findings }: Supervised): "ok" | "failed" {
  return findings.failed || end === "halted" || end === "timeout" ? "failed" : "ok";
}
