import { existsSync, linkSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Closable, WritableBlockDevice } from "../../disks/block-device.ts";
import { createQcow2 } from "../../disks/qcow2/writer.ts";
import { createRaw } from "../../disks/raw.ts";
import { sweepTemporaries } from "../../store/temporaries.ts";
import { temporaryBeside, writeFileAtomically } from "../../support/atomic.ts";
import { formatSize, GiB } from "../../support/bytes.ts";
import type { Context } from "../../support/context.ts";
import { CapstanError, doing, ExitCode, isErrno } from "../../support/errors.ts";
import { formatMetadata, metadataPath } from "./metadata.ts";
import { checkNewVolumeName, volumesFolder } from "./names.ts";

export const newVolumeFormats = ["raw", "qcow2"] as const;
export type NewVolumeFormat = (typeof newVolumeFormats)[number];

/** Puts a file system on a new volume. */
export interface VolumeFiller {
  /** Its name as in --fs. */
  readonly fs: string;
  /** What it needs at least, in bytes. */
  readonly least: number;
  /** What it gets when no size is given, in bytes. */
  readonly usual: number;
  /** The device reads as zeros; flushing is not its business. */
  readonly write: (device: WritableBlockDevice) => Promise<void>;
}

export interface CreateVolumeInput {
  /** The folder of the project. */
  readonly project: string;
  readonly name: string;
  /** In bytes; 1 GiB, or what the content takes. */
  readonly size?: number | undefined;
  readonly format: NewVolumeFormat;
  readonly filler?: VolumeFiller | undefined;
}

export interface CreatedVolume {
  readonly name: string;
  readonly path: string;
  readonly format: NewVolumeFormat;
  /** In bytes, as the guest sees it. */
  readonly size: number;
  readonly fs: string | null;
}

/**
 * Makes a volume: its disk appears whole or not at all, then its description beside it.
 * @throws CapstanError `bad-volume-name` (64), `volume-exists` (73), `volume-too-small` (64), of the operating system
 */
export async function createVolume(input: CreateVolumeInput, { reporter, now }: Context): Promise<CreatedVolume> {
  const { name, format, filler } = input;
  checkNewVolumeName(name);
  const folder = volumesFolder(input.project);
  const path = join(folder, name);
  if (existsSync(path)) throw exists(path);
  const size = sizeOf(input);
  doing(`Creating ${folder}`, () => mkdirSync(folder, { recursive: true }));
  sweepTemporaries(folder, now());
  const temporary = temporaryBeside(path);
  try {
    await writeDisk(create(temporary, { format, size }), filler);
    place(temporary, path);
  } finally {
    rmSync(temporary, { force: true });
  }
  await writeFileAtomically(metadataPath(path), formatMetadata({ format, fs: filler?.fs }));
  const what = filler === undefined ? "" : ` with ${filler.fs} on it`;
  reporter.report({ kind: "step", text: `Created the volume ${path}: ${formatSize(size)}, ${format}${what}` });
  return { name, path, format, size, fs: filler?.fs ?? null };
}

function sizeOf({ size, filler }: CreateVolumeInput): number {
  if (filler === undefined) return size ?? GiB;
  if (size === undefined) return filler.usual;
  if (size >= filler.least) return size;
  throw new CapstanError(
    `The content takes ${formatSize(filler.least)}, and the volume is to have ${formatSize(size)}`,
    {
      code: "volume-too-small",
      hint: "Give it more with --size, or leave --size out.",
      exitCode: ExitCode.usage,
    },
  );
}

function create(path: string, { format, size }: { format: NewVolumeFormat; size: number }) {
  return format === "raw" ? createRaw(path, { size }) : createQcow2(path, { size });
}

async function writeDisk(disk: WritableBlockDevice & Closable, filler: VolumeFiller | undefined): Promise<void> {
  try {
    await filler?.write(disk);
    disk.flush();
  } finally {
    disk.close();
  }
}

/** Never over a volume that another one has made meanwhile. */
function place(temporary: string, path: string): void {
  try {
    linkSync(temporary, path);
  } catch (error) {
    if (isErrno(error, "EEXIST")) throw exists(path);
    doing(`Creating ${path}`, () => {
      throw error;
    });
  }
}

function exists(path: string): CapstanError {
  return new CapstanError(`There is a volume ${path} already`, {
    code: "volume-exists",
    hint: "Choose another name, or give the old one up: capstan volume delete NAME",
    exitCode: ExitCode.cannotCreate,
  });
}
