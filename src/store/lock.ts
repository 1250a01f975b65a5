import { randomBytes } from "node:crypto";
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { setTimeout } from "node:timers/promises";
import { CapstanError, checkAborted, doing, ExitCode, isErrno } from "../support/errors.ts";

/**
 * Runs `work` while no other process runs anything under the same lock file. `work` has to be short, such as a few
 * renames: a lock that stays the same for ten seconds counts as left behind by a process that was killed.
 */
export async function withLock<T>(path: string, work: () => T | Promise<T>, signal?: AbortSignal): Promise<T> {
  const token = `${hostname()} ${process.pid} ${randomBytes(8).toString("hex")}`;
  await doing(`Locking ${path}`, () => acquire(path, token, signal));
  try {
    return await work();
  } finally {
    if (readToken(path) === token) rmSync(path, { force: true });
  }
}

const POLL_MS = 5;
const ABANDONED_MS = 10_000;
const GIVE_UP_MS = 120_000;

async function acquire(path: string, token: string, signal: AbortSignal | undefined): Promise<void> {
  let seen: string | undefined;
  let seenFor = 0;
  for (let waited = 0; !tryCreate(path, token); waited += POLL_MS) {
    checkAborted(signal);
    if (waited > GIVE_UP_MS) throw busyError(path);
    const holder = readToken(path);
    if (holder === undefined) continue;
    seenFor = holder === seen ? seenFor + POLL_MS : 0;
    seen = holder;
    if (seenFor > ABANDONED_MS || isDead(holder)) takeAway(path, holder);
    else await setTimeout(POLL_MS);
  }
}

/** The token is written beside and linked to its place, so that nobody ever reads half of it. */
function tryCreate(path: string, token: string): boolean {
  const own = `${path}.${token.split(" ").at(-1)}`;
  mkdirSync(dirname(path), { recursive: true });
  try {
    writeFileSync(own, token);
    linkSync(own, path);
    return true;
  } catch (error) {
    if (isErrno(error, "EEXIST", "ENOENT")) return false;
    throw error;
  } finally {
    rmSync(own, { force: true });
  }
}

/** Two may find the same lock abandoned; the second must not take away what the first has made in its place. */
function takeAway(path: string, holder: string): void {
  const aside = `${path}.${randomBytes(8).toString("hex")}`;
  try {
    renameSync(path, aside);
    if (readToken(aside) !== holder) linkSync(aside, path);
  } catch (error) {
    if (!isErrno(error, "ENOENT", "EEXIST")) throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

function readToken(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}

function isDead(holder: string): boolean {
  const [host, pid] = holder.split(" ");
  return host === hostname() && !isRunning(Number(pid));
}

/** Of this machine; a process of somebody else counts as well. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !isErrno(error, "ESRCH");
  }
}

function busyError(path: string): CapstanError {
  return new CapstanError(`The store is busy: ${path} has been locked for too long`, {
    code: "store-busy",
    hint: "If no other capstan is running, delete that file.",
    exitCode: ExitCode.unavailable,
  });
}
