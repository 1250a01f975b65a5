import { existsSync, renameSync, rmSync } from "node:fs";
import { basename } from "node:path";
import type { BlockDevice, Closable, WritableBlockDevice } from "../disks/block-device.ts";
import { copyDevice } from "../disks/image.ts";
import { writeCompressedQcow2 } from "../disks/qcow2/compressed.ts";
import { createQcow2 } from "../disks/qcow2/writer.ts";
import { createRaw } from "../disks/raw.ts";
import { createVdi } from "../disks/vdi/writer.ts";
import { createVhd } from "../disks/vhd/writer.ts";
import { writeStreamVmdk } from "../disks/vmdk/stream.ts";
import { createVmdk } from "../disks/vmdk/writer.ts";
import { checkFolderOf, checkReplaceable, temporaryBeside } from "../support/atomic.ts";
import { MiB, roundUp } from "../support/bytes.ts";
import type { Context } from "../support/context.ts";
import { CapstanError, doing, ExitCode } from "../support/errors.ts";
import { writeGceTarball } from "./gce.ts";
import { writeOva } from "./ova/ova.ts";
import type { OvaFlavour } from "./ova/ovf.ts";

/** What an image can become, by the name in --format, and the usual end of its file's name. */
export const EXPORT_FORMATS = {
  raw: ".raw",
  qcow2: ".qcow2",
  vmdk: ".vmdk",
  "vmdk-stream": ".vmdk",
  vdi: ".vdi",
  vhd: ".vhd",
  "vhd-dynamic": ".vhd",
  gce: ".tar.gz",
  ova: ".ova",
} as const;

export type ExportFormat = keyof typeof EXPORT_FORMATS;

export interface ExportInput {
  readonly device: BlockDevice;
  /** What is written; a file that is there is only replaced with `force`. */
  readonly path: string;
  readonly format: ExportFormat;
  /** Of qcow2: compress the clusters. */
  readonly compress: boolean;
  readonly force: boolean;
  /** Of an OVA: the machine that goes with the disk. */
  readonly machine?: OvaMachine | undefined;
}

export interface OvaMachine {
  readonly name: string;
  readonly flavour: OvaFlavour;
  /** In MiB. */
  readonly memory: number;
  readonly cpus: number;
}

const USUAL_MACHINE: OvaMachine = { name: "image", flavour: "virtualbox", memory: 1024, cpus: 2 };

/**
 * Writes a disk in another format: beside the place, and renamed when it is complete.
 * @throws CapstanError `file-exists` (73), `not-a-file`, `no-such-folder` (73), `disk-size`, and those of the operating system
 */
export async function exportDisk(input: ExportInput, context: Context): Promise<void> {
  const { path } = input;
  checkPlace(input);
  const temporary = temporaryBeside(path);
  try {
    await write(input, temporary, context);
    doing(`Writing ${path}`, () => renameSync(temporary, path));
  } catch (error) {
    throw nameFinally(error, { temporary, path });
  } finally {
    // A name that is too long cannot even be removed.
    if (existsSync(temporary)) rmSync(temporary);
  }
}

function checkPlace({ path, force }: ExportInput): void {
  checkFolderOf(path, "--output");
  checkReplaceable(path);
  if (force || !existsSync(path)) return;
  throw new CapstanError(`${path} exists already`, {
    code: "file-exists",
    hint: "Choose another name with --output, or overwrite it with --force.",
    exitCode: ExitCode.cannotCreate,
  });
}

/** The temporary name says nothing to anybody. */
function nameFinally(error: unknown, { temporary, path }: { readonly temporary: string; readonly path: string }) {
  if (!(error instanceof CapstanError) || !error.message.includes(temporary)) return error;
  const { code, exitCode, details } = error;
  const hint = FULL.has(code) ? "Choose a place on another disk with --output." : error.hint;
  return new CapstanError(error.message.replaceAll(temporary, path), { code, exitCode, details, hint, cause: error });
}

const FULL: ReadonlySet<string> = new Set(["os-enospc", "os-efbig", "os-edquot"]);

async function write(
  { device, path: finalPath, format, compress, machine }: ExportInput,
  path: string,
  context: Context,
): Promise<void> {
  const { signal, reporter } = context;
  const total = device.size;
  const onProgress = (done: number) =>
    reporter.report({ kind: "progress", text: "Exporting", done: Math.min(done, total), total, unit: "bytes" });
  const seconds = Math.floor(context.now().getTime() / 1000);
  const size = total;
  const fileName = basename(finalPath);
  switch (format) {
    case "raw":
      return await copyTo(createRaw(path, { size }), device, { signal, onProgress });
    case "qcow2":
      if (!compress) return await copyTo(createQcow2(path, { size }), device, { signal, onProgress });
      await writeCompressedQcow2(device, path, { signal, onProgress });
      return;
    case "vmdk":
      return await copyTo(createVmdk(path, { size, fileName }), device, { signal, onProgress });
    case "vmdk-stream":
      await writeStreamVmdk(device, path, { fileName, signal, onProgress });
      return;
    case "vdi":
      return await copyTo(createVdi(path, { size }), device, { signal, onProgress });
    case "vhd":
      // Azure takes disks of whole MiB only.
      return await copyTo(createVhd(path, { size: roundUp(size, MiB), type: "fixed", time: seconds }), device, {
        signal,
        onProgress,
      });
    case "vhd-dynamic":
      return await copyTo(createVhd(path, { size, type: "dynamic", time: seconds }), device, { signal, onProgress });
    case "gce":
      return await writeGceTarball(device, path, { mtime: seconds, signal, onProgress });
    case "ova":
      return await writeOva(device, path, { ...USUAL_MACHINE, ...machine, mtime: seconds, signal, onProgress });
  }
}

async function copyTo(
  disk: WritableBlockDevice & Closable,
  from: BlockDevice,
  options: Parameters<typeof copyDevice>[2],
): Promise<void> {
  try {
    await copyDevice(from, disk, options);
    disk.flush();
  } finally {
    disk.close();
  }
}
