import { lstatSync, readdirSync, type Stats, statSync } from "node:fs";
import { join } from "node:path";
import type { BlockDevice, Closable } from "../../disks/block-device.ts";
import { type DiskFormat, openDisk, probeFormat } from "../../disks/probe.ts";
import { openRaw } from "../../disks/raw.ts";
import { CapstanError, ExitCode, isErrno, withNoun } from "../../support/errors.ts";
import { didYouMean } from "../../support/suggest.ts";
import { contentOf, type VolumeContent } from "./content.ts";
import { diskIdentity } from "./identity.ts";
import { readMetadata } from "./metadata.ts";
import { checkVolumeName, volumesFolder } from "./names.ts";
import { type VolumeUse, volumeUses } from "./uses.ts";

export interface Volume {
  readonly name: string;
  readonly path: string;
  /** Of its description, or told by its content; null when it cannot be told. */
  readonly format: DiskFormat | null;
  /** In bytes, as the guest sees it; null when it cannot be told. */
  readonly size: number | null;
  /** What its file takes on the disk of this machine, in bytes. */
  readonly used: number;
  /** What lies on it; null where its format cannot be read here. */
  readonly content: VolumeContent | null;
  /** The running instances that have it. */
  readonly instances: readonly string[];
  /** What is wrong with it: a sentence without a full stop. */
  readonly problem: string | null;
}

/** The volumes of a project by name, broken ones with their reason. `root`: $CAPSTAN_ROOT. */
export function listVolumes(project: string, root: string): readonly Volume[] {
  const uses = volumeUses(root);
  return volumeNames(project).map((name) => describe(join(volumesFolder(project), name), name, uses));
}

/** @throws CapstanError `bad-volume-name` (64), `no-such-volume` (66) */
export function findVolume(project: string, name: string, root: string): Volume {
  const path = join(volumesFolder(project), checkVolumeName(name));
  if (isVolume(path)) return describe(path, name, volumeUses(root));
  const names = volumeNames(project);
  throw new CapstanError(`There is no volume '${name}' in ${volumesFolder(project)}.${didYouMean(name, names)}`, {
    code: "no-such-volume",
    hint: "See what there is: capstan volume list",
    exitCode: ExitCode.noInput,
  });
}

function volumeNames(project: string): readonly string[] {
  const folder = volumesFolder(project);
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return [];
    throw withNoun(error, `Reading ${folder}`);
  }
  // A description is no volume, unless a volume was called so by the original.
  const all = new Set(names);
  const isDescription = (name: string) => name.endsWith(".yaml") && all.has(name.slice(0, -".yaml".length));
  return names.filter((name) => !name.startsWith(".") && !isDescription(name) && isVolume(join(folder, name))).sort();
}

function isVolume(path: string): boolean {
  const status = lstat(path);
  return status?.isFile() === true || status?.isSymbolicLink() === true;
}

function lstat(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw withNoun(error, `Looking at ${path}`);
  }
}

function describe(path: string, name: string, uses: readonly VolumeUse[]): Volume {
  const disk = diskIdentity(path);
  const instances = uses.filter((use) => use.disk === disk).map(({ instance }) => instance);
  const unknown = { name, path, format: null, size: null, used: 0, content: null, instances };
  try {
    const used = statSync(path).blocks * 512;
    return { ...unknown, used, ...look(path) };
  } catch (error) {
    const known = withNoun(error, `Looking at ${path}`);
    if (!(known instanceof CapstanError)) throw error;
    return { ...unknown, problem: known.message };
  }
}

function look(path: string): Pick<Volume, "format" | "size" | "content" | "problem"> {
  const { metadata, problem } = readMetadata(path);
  if (problem !== undefined) return { format: null, size: null, content: null, problem };
  const found = probeFormat(path);
  const format = metadata?.format ?? found;
  if (format !== "raw" && format !== found) {
    const what = `its description says that it is ${format}, and its content is ${found === "raw" ? "not" : found}`;
    return { format, size: null, content: null, problem: what };
  }
  if (format !== "raw" && format !== "qcow2") return { format, size: null, content: null, problem: null };
  // What lies upon another file could name any file of this machine: only a description vouches for it.
  const backing = metadata === undefined ? "refuse" : "follow";
  if (format === "raw") return { format, problem: null, ...measureRaw(path) };
  const disk = openDisk(path, { backing });
  return { format, problem: null, ...measure(disk.device, disk) };
}

function measureRaw(path: string): Pick<Volume, "size" | "content"> {
  const device = openRaw(path);
  return measure(device, device);
}

function measure(device: BlockDevice, owner: Closable): Pick<Volume, "size" | "content"> {
  try {
    return { size: device.size, content: contentOf(device) };
  } finally {
    owner.close();
  }
}
