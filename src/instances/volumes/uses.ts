import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { MachineDisk } from "../../hypervisors/machine.ts";
import { withLock } from "../../store/lock.ts";
import { writeFileAtomically } from "../../support/atomic.ts";
import { CapstanError, ExitCode, isErrno, withNoun } from "../../support/errors.ts";
import { isRecord } from "../../support/records.ts";
import { cacheFolder, instanceFolder } from "../layout.ts";
import { isHeld, type Lock, readLock } from "../lock.ts";
import { identify, type ProcessIdentity, parseIdentity } from "../process-identity.ts";
import { diskIdentity } from "./identity.ts";

export interface LockVolumesInput {
  /** $CAPSTAN_ROOT. */
  readonly root: string;
  readonly volumes: readonly MachineDisk[];
  /** Of the instance that gets them, which is ours. */
  readonly lock: Lock;
  readonly signal?: AbortSignal | undefined;
}

/** That a volume belongs to a run of an instance. It holds as long as that very run does: nothing has to be undone. */
export interface VolumeUse {
  readonly disk: string;
  readonly instance: string;
  /** The process that owns the instance: tells this run of it from others. */
  readonly owner: ProcessIdentity;
  readonly readonly: boolean;
}

/**
 * Takes the volumes for an instance, or none of them. Returns what gives them back early; when the instance's lock is
 * gone they are free anyway. Who deletes the list, which lies in cache/, is left with QEMU's own locks on the files.
 *
 * @throws CapstanError `volume-in-use` (73) that names the instance that has it
 */
export async function lockVolumes(input: LockVolumesInput): Promise<() => Promise<void>> {
  const { root, volumes, lock, signal } = input;
  if (volumes.length === 0) return async () => {};
  const instance = basename(lock.folder);
  const owner = lock.owner?.capstan ?? identify(process.pid);
  const wanted = volumes.flatMap(({ path, readonly }) => {
    const disk = diskIdentity(path);
    return disk === undefined ? [] : [{ use: { disk, instance, owner, readonly }, path }];
  });
  await change(root, signal, (uses) => {
    const others = uses.filter((use) => use.instance !== instance);
    for (const { use, path } of wanted) {
      const other = others.find((one) => one.disk === use.disk && !(one.readonly && use.readonly));
      if (other !== undefined) throw inUse(path, other, howToShare(other));
    }
    return [...others, ...wanted.map(({ use }) => use)];
  });
  return () => change(root, undefined, (uses) => uses.filter((use) => use.instance !== instance));
}

/** Which volumes running instances have, of this $CAPSTAN_ROOT. */
export function volumeUses(root: string): readonly VolumeUse[] {
  return readUses(root).filter((use) => isLive(root, use));
}

/** @throws CapstanError `volume-in-use` (73) when a running instance has the disk at `path` */
export function checkUnused(root: string, path: string): void {
  const disk = diskIdentity(path);
  const use = volumeUses(root).find((one) => one.disk === disk);
  if (use !== undefined) throw inUse(path, use, `Stop it first: capstan stop ${use.instance}`);
}

type Change = (live: readonly VolumeUse[]) => readonly VolumeUse[];

async function change(root: string, signal: AbortSignal | undefined, work: Change): Promise<void> {
  const lock = join(cacheFolder(root), "locks", "volumes");
  await withLock(
    lock,
    async () => {
      const uses = work(volumeUses(root));
      await writeFileAtomically(usesPath(root), JSON.stringify(uses));
    },
    signal,
  );
}

function isLive(root: string, { instance, owner }: VolumeUse): boolean {
  const lock = readLock(instanceFolder(root, instance));
  if (lock?.owner === undefined || !isHeld(lock)) return false;
  const { capstan } = lock.owner;
  return capstan.pid === owner.pid && capstan.start === owner.start;
}

function usesPath(root: string): string {
  return join(cacheFolder(root), "volumes.json");
}

/** One that cannot be understood counts as empty: QEMU's own locks on the files still hold. */
function readUses(root: string): VolumeUse[] {
  try {
    const value: unknown = JSON.parse(readFileSync(usesPath(root), "utf8"));
    return Array.isArray(value) ? value.flatMap((one) => parseUse(one) ?? []) : [];
  } catch (error) {
    if (error instanceof SyntaxError || isErrno(error, "ENOENT", "ENOTDIR")) return [];
    throw withNoun(error, `Reading ${usesPath(root)}`);
  }
}

function parseUse(value: unknown): VolumeUse | undefined {
  if (!isRecord(value)) return undefined;
  const { disk, instance } = value;
  const owner = parseIdentity(value.owner);
  if (typeof disk !== "string" || typeof instance !== "string" || owner === undefined) return undefined;
  // A file that others can write: it must not lead out of the folder of instances.
  if (instance === "" || instance.startsWith(".") || basename(instance) !== instance) return undefined;
  return { disk, instance, owner, readonly: value.readonly === true };
}

function inUse(path: string, { instance }: VolumeUse, hint: string): CapstanError {
  return new CapstanError(`The volume ${path} is in use by the instance ${instance}`, {
    code: "volume-in-use",
    hint,
    exitCode: ExitCode.cannotCreate,
  });
}

function howToShare({ instance, readonly }: VolumeUse): string {
  const stop = `capstan stop ${instance}`;
  return readonly
    ? `That one only reads it, and so may others: add :readonly. Or stop it: ${stop}`
    : `Stop it first: ${stop}. Several instances can have a volume when all of them have it :readonly.`;
}
