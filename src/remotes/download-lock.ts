import { randomBytes } from "node:crypto";
import { readFileSync, rmSync, statSync, utimesSync } from "node:fs";
import { hostname } from "node:os";
import { setTimeout } from "node:timers/promises";
import { isRunning, withLock } from "../store/lock.ts";
import { writeFileAtomically } from "../support/atomic.ts";
import type { Context } from "../support/context.ts";
import { CapstanError, checkAborted, ExitCode } from "../support/errors.ts";
import { isRecord } from "../support/records.ts";
import type { Downloaded, DownloadRequest } from "./download.ts";
import { type Finished, markOf } from "./download-done.ts";
import { forgetPart } from "./download-part.ts";

export interface HeldLock {
  /** What the one before brought, if this one had to wait for it. */
  readonly finished: Finished | undefined;
  /** Throws when it was taken away: this process stood still for so long that it counted as dead. */
  checkHeld(): void;
}

type Locked = DownloadRequest & { readonly part: string };

/**
 * Lets one at a time download to a target, of all processes; the others wait for as long as it takes. The file of the lock says who
 * is at it and who waits, and hands the result to those who wait. It is only read and written under a short lock of the store.
 */
export async function withDownloadLock(
  request: Locked,
  context: Context,
  work: (lock: HeldLock) => Promise<Downloaded>,
): Promise<Downloaded> {
  const path = `${request.part}.lock`;
  const me = `${hostname()} ${process.pid} ${randomBytes(8).toString("hex")}`;
  const finished = await acquire(path, me, { request, context });
  const beat = setInterval(() => touch(path, context.now()), BEAT_MS);
  beat.unref();
  let result: Finished | undefined;
  try {
    const checkHeld = () => {
      if (read(path).holder !== me) throw takenAway(request);
    };
    const downloaded = await work({ finished, checkHeld });
    result = resultOf(request, downloaded);
    return downloaded;
  } finally {
    clearInterval(beat);
    await release(path, me, result);
  }
}

interface State {
  readonly holder?: string | undefined;
  readonly waiting: readonly string[];
  readonly finished?: Finished | undefined;
}

const POLL_MS = 50;
const BEAT_MS = 5_000;
/** One that lives but has not touched the lock for as long stands still; or its number belongs to another process by now. */
const ABANDONED_MS = 60_000;

async function acquire(
  path: string,
  me: string,
  { request, context }: { readonly request: Locked; readonly context: Context },
): Promise<Finished | undefined> {
  let seen = "";
  let seenFor = 0;
  for (;;) {
    checkAborted(context.signal);
    const isAbandoned = seenFor > ABANDONED_MS;
    const state = read(path);
    if (!isHeld(state) || isAbandoned || !state.waiting.includes(me)) {
      const taken = await withLock(
        `${path}.lock`,
        () => tryTake(path, me, { isAbandoned, part: request.part }),
        context.signal,
      );
      if (taken !== undefined) return taken.finished;
    }
    const now = `${state.holder} ${statSync(path, { throwIfNoEntry: false })?.mtimeMs}`;
    seenFor = now === seen ? seenFor + POLL_MS : 0;
    seen = now;
    await setTimeout(POLL_MS);
  }
}

async function tryTake(
  path: string,
  me: string,
  { isAbandoned, part }: { readonly isAbandoned: boolean; readonly part: string },
): Promise<State | undefined> {
  const state = read(path);
  const waiting = state.waiting.filter((one) => one !== me && isAlive(one));
  if (isHeld(state) && !isAbandoned) {
    await write(path, { ...state, waiting: [...waiting, me] });
    return undefined;
  }
  // It may wake up and write on: into a file that has no name any more.
  if (isHeld(state)) forgetPart(part);
  await write(path, { ...state, holder: me, waiting });
  return state;
}

async function release(path: string, me: string, finished: Finished | undefined): Promise<void> {
  await withLock(`${path}.lock`, async () => {
    const state = read(path);
    if (state.holder !== me) return;
    const waiting = state.waiting.filter(isAlive);
    if (waiting.length === 0) rmSync(path, { force: true });
    else await write(path, { waiting, finished: finished ?? state.finished });
  });
}

function resultOf({ file, path }: Locked, { size, sha256 }: Downloaded): Finished | undefined {
  const placed = markOf(path);
  return placed === undefined ? undefined : { url: file.url, size, sha256, placed };
}

function isHeld(state: State): boolean {
  return state.holder !== undefined && isAlive(state.holder);
}

/** Of another machine, it counts as alive until it stands still. */
function isAlive(token: string): boolean {
  const [host, pid] = token.split(" ");
  return host !== hostname() || isRunning(Number(pid));
}

function read(path: string): State {
  try {
    const value: unknown = JSON.parse(readFileSync(path, "utf8"));
    if (!isRecord(value) || !Array.isArray(value.waiting)) return { waiting: [] };
    return {
      holder: typeof value.holder === "string" ? value.holder : undefined,
      waiting: value.waiting.filter((one) => typeof one === "string"),
      finished: parseFinished(value.finished),
    };
  } catch {
    return { waiting: [] };
  }
}

function parseFinished(value: unknown): Finished | undefined {
  if (!isRecord(value)) return undefined;
  const { url, size, sha256, placed } = value;
  if (typeof url !== "string" || typeof size !== "number" || typeof sha256 !== "string") return undefined;
  return typeof placed === "string" ? { url, size, sha256, placed } : undefined;
}

async function write(path: string, state: State): Promise<void> {
  await writeFileAtomically(path, JSON.stringify(state));
}

function touch(path: string, now: Date): void {
  try {
    utimesSync(path, now, now);
  } catch {
    // Nobody misses one of them.
  }
}

function takenAway({ what }: Locked): CapstanError {
  return new CapstanError(`Downloading ${what}: another process has taken over meanwhile`, {
    code: "remote-unreachable",
    hint: "Try again.",
    exitCode: ExitCode.unavailable,
  });
}
