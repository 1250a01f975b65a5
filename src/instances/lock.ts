import { randomBytes } from "node:crypto";
import { linkSync, mkdirSync, readdirSync, renameSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findQemu } from "../hypervisors/qemu/find-process.ts";
import { KiB } from "../support/bytes.ts";
import { doing, isErrno, withNoun } from "../support/errors.ts";
import { isRecord } from "../support/records.ts";
import { readRegularFile } from "../support/regular-file.ts";
import { identify, isAlive, type ProcessIdentity, parseIdentity } from "./process-identity.ts";

/** Who runs an instance, and how to reach it. */
export interface Owner {
  /** The capstan that started it and tidies up after it. */
  readonly capstan: ProcessIdentity;
  readonly qemu?: ProcessIdentity | undefined;
  /** That QEMU is being started: it may be there and not in here, if that capstan is killed at the wrong moment. */
  readonly starting?: boolean | undefined;
  readonly image: string;
  readonly persist: boolean;
  /** ISO 8601. */
  readonly started: string;
  readonly monitor?: string | undefined;
  /** A folder outside of the instance's that was made for the monitor's socket. */
  readonly monitorFolder?: string | undefined;
  /** The socket on which the capstan answers: see control/protocol.ts. */
  readonly control?: string | undefined;
  /** Likewise a folder for the control socket. */
  readonly controlFolder?: string | undefined;
}

/**
 * Locks are files `lock.1`, `lock.2`, … in the instance's folder, and the highest one rules. Whoever finds its owner dead
 * creates the next one, which only one process can: so of any number that start at once, one gets the folder.
 */
export interface Lock {
  readonly folder: string;
  readonly generation: number;
  readonly owner: Owner | undefined;
}

export type Claim = { readonly claimed: true; readonly lock: Lock } | { readonly claimed: false; readonly held: Lock };

/** Makes `owner` the owner of the folder, which is created if need be, unless one that is alive owns it. */
export function claim(folder: string, owner: Owner): Claim {
  for (;;) {
    const made = doing(`Making ${folder}`, () => mkdirSync(folder, { recursive: true }));
    const before = readLock(folder);
    if (before !== undefined && isHeld(before)) return { claimed: false, held: before };
    try {
      const lock = tryNext(folder, before, owner);
      if (lock !== undefined) return { claimed: true, lock };
    } catch (error) {
      if (made !== undefined) removeEmpty(folder);
      throw error;
    }
  }
}

/** The ruling lock of a folder; undefined when nobody has claimed it. */
export function readLock(folder: string): Lock | undefined {
  const generation = Math.max(0, ...generations(folder));
  return generation === 0
    ? undefined
    : { folder, generation, owner: complete(readOwner(lockPath(folder, generation))) };
}

/** Finds the QEMU that nobody came to note. */
function complete(owner: Owner | undefined): Owner | undefined {
  if (owner?.starting !== true || owner.monitor === undefined || isAlive(owner.capstan)) return owner;
  const pid = findQemu(owner.monitor);
  return pid === undefined ? owner : { ...owner, qemu: identify(pid) };
}

/** Whether the owner's capstan or its QEMU is alive. */
export function isHeld(lock: Lock): boolean {
  const { owner } = lock;
  return owner !== undefined && [owner.capstan, owner.qemu].some((who) => who !== undefined && isAlive(who));
}

/** Tells more about the owner; only the owner may. */
export function update(lock: Lock, owner: Owner): Lock {
  const path = lockPath(lock.folder, lock.generation);
  doing(`Writing ${path}`, () => renameSync(writeAside(lock.folder, owner), path));
  return { ...lock, owner };
}

/**
 * Mends a lock that is there still, but cannot be read any more, from what was known of it last; only its owner may.
 * Returns what to remember for the next time.
 */
export function mend(lock: Lock, known: Owner): Owner {
  const now = readLock(lock.folder);
  if (now?.generation !== lock.generation) return known;
  if (now.owner === undefined) update(lock, known);
  return now.owner ?? known;
}

export function release(lock: Lock): void {
  rmSync(lockPath(lock.folder, lock.generation), { force: true });
}

/** Takes the whole folder away at once: nobody sees the half of it, and the name is free from then on. */
export function removeFolder(folder: string): void {
  const aside = join(folder, "..", `.gone-${randomBytes(6).toString("hex")}`);
  try {
    renameSync(folder, aside);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return;
    throw withNoun(error, `Removing ${folder}`);
  }
  rmSync(aside, { recursive: true, force: true });
}

function tryNext(folder: string, before: Lock | undefined, owner: Owner): Lock | undefined {
  const generation = (before?.generation ?? 0) + 1;
  const path = lockPath(folder, generation);
  try {
    createWhole(folder, path, owner);
  } catch (error) {
    // Another one was faster, or has just removed the folder: look again.
    if (isErrno(error, "EEXIST", "ENOENT")) return undefined;
    throw withNoun(error, `Writing ${path}`);
  }
  // The folder may have been removed and made anew between the look and the claim, and have an owner of its own.
  const others = generations(folder).filter((other) => other !== generation);
  if (others.some((other) => other !== before?.generation) || !isSame(folder, before)) {
    rmSync(path, { force: true });
    return undefined;
  }
  if (before !== undefined) release(before);
  return { folder, generation, owner };
}

/** Creates the lock with its content in it, or fails because there is one. */
function createWhole(folder: string, path: string, owner: Owner): void {
  const temporary = writeAside(folder, owner);
  try {
    linkSync(temporary, path);
  } catch (error) {
    // A file system without hard links: there, others may see the file for a moment before its content.
    if (!isErrno(error, "EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK")) throw error;
    writeFileSync(path, JSON.stringify(owner), { flag: "wx" });
  } finally {
    rmSync(temporary, { force: true });
  }
}

function writeAside(folder: string, owner: Owner): string {
  const temporary = join(folder, `.lock-${randomBytes(6).toString("hex")}`);
  try {
    writeFileSync(temporary, JSON.stringify(owner), { flag: "wx" });
    return temporary;
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

function removeEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // Another one has claimed it.
  }
}

function isSame(folder: string, before: Lock | undefined): boolean {
  if (before === undefined) return true;
  return JSON.stringify(readOwner(lockPath(folder, before.generation))) === JSON.stringify(before.owner);
}

function generations(folder: string): number[] {
  try {
    return readdirSync(folder).flatMap((name) => {
      const found = /^lock\.([1-9]\d{0,8})$/.exec(name);
      return found === null ? [] : [Number(found[1])];
    });
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return [];
    throw withNoun(error, `Reading ${folder}`);
  }
}

const LONGEST_OWNER = 64 * KiB;

function readOwner(path: string): Owner | undefined {
  try {
    return parseOwner(JSON.parse(readRegularFile(path, { limit: LONGEST_OWNER }).toString("utf8")));
  } catch {
    return undefined;
  }
}

function parseOwner(value: unknown): Owner | undefined {
  if (!isRecord(value)) return undefined;
  const capstan = parseIdentity(value.capstan);
  if (capstan === undefined || typeof value.image !== "string" || typeof value.started !== "string") return undefined;
  const optional = (text: unknown) => (typeof text === "string" ? text : undefined);
  return {
    capstan,
    qemu: parseIdentity(value.qemu),
    starting: value.starting === true ? true : undefined,
    image: value.image,
    persist: value.persist === true,
    started: value.started,
    monitor: optional(value.monitor),
    monitorFolder: optional(value.monitorFolder),
    control: optional(value.control),
    controlFolder: optional(value.controlFolder),
  };
}

function lockPath(folder: string, generation: number): string {
  return join(folder, `lock.${generation}`);
}
