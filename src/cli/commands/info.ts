import { existsSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { openView } from "../../compose/view.ts";
import { readElfFile } from "../../elf/reader.ts";
import { describePackedDisk, type PackedDisk } from "../../exports/unpack.ts";
import { openHostFile } from "../../filesystems/host-space.ts";
import { quotePath } from "../../filesystems/names.ts";
import { type FileKind, fileKind } from "../../images/file-kind.ts";
import { demoVersion } from "../../kernels/demo-kernel.ts";
import { readKernel } from "../../kernels/kernel.ts";
import { kernelFile } from "../../kernels/kernel-bytes.ts";
import { unpackLimit } from "../../packages/limits.ts";
import { formatSize } from "../../support/bytes.ts";
import { CapstanError, ExitCode } from "../../support/errors.ts";
import type { Answer, CommandContext } from "../answer.ts";
import { findImageOrFile } from "../find-image.ts";
import { describeImage, renderDescription } from "../image-description.ts";
import type { Input } from "../input.ts";
import { backingOf } from "../instance-disk.ts";
import { printable } from "../output.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const named = input.need("file");
  const { path, kernel } = locate(named, context);
  const backing = backingOf(path, context);
  const kind = fileKind(path, { backing });
  if (!kind.isDisk) return await describeOther({ named, path, kind }, context);
  const view = openView(path, { backing });
  try {
    const value = { kind: kind.name, ...describeImage(view, { verify: false, kernel }) };
    return { value, text: () => firstLine(named, kind) + renderDescription(value) };
  } finally {
    view.close();
  }
}

interface Other {
  readonly named: string;
  readonly path: string;
  readonly kind: FileKind;
}

async function describeOther({ named, path, kind }: Other, context: CommandContext): Promise<Answer> {
  const value = {
    ...{ path, kind: kind.name, size: statSync(path).size },
    ...(kind.isElf ? { elf: describeElf(path) } : {}),
    ...(kind.isArchive && kind.isRunnable
      ? { disk: await describePackedDisk(path, { signal: context.signal, limit: unpackLimit(context) }) }
      : {}),
  };
  return { value, text: () => firstLine(named, kind) + renderOther(value) };
}

/** Null for a file that only starts as ELF files do. */
function describeElf(path: string) {
  try {
    const { machine, kind, interpreter } = readElfFile({ realPath: path, open: () => openHostFile(path) });
    return { machine, kind, interpreter: interpreter ?? null, ...kernelOf(path) };
  } catch (error) {
    if (error instanceof CapstanError) return null;
    throw error;
  }
}

/** Null twice for what is no kernel, or too large to be one. */
function kernelOf(path: string): { readonly kernel: "osv" | "demo" | null; readonly version: string | null } {
  try {
    const demo = demoVersion(kernelFile({ image: path, elf: path }));
    if (demo !== undefined) return { kernel: "demo", version: demo };
    const { version } = readKernel({ name: path, image: path, elf: path });
    if (version !== undefined) return { kernel: "osv", version };
  } catch (error) {
    if (!(error instanceof CapstanError)) throw error;
  }
  return { kernel: null, version: null };
}

interface OtherValue {
  readonly size: number;
  readonly elf?: ReturnType<typeof describeElf>;
  readonly disk?: PackedDisk;
}

function renderOther({ size, elf, disk }: OtherValue): string {
  const lines = [`size          ${formatSize(size)}`];
  if (elf?.kernel) {
    lines.push(
      `kernel        ${elf.kernel === "osv" ? "OSv" : "Capstan's demo kernel"} ${elf.version}, ${elf.machine}`,
    );
  } else if (elf)
    lines.push(`program       ${elf.kind}, ${elf.machine}${elf.interpreter ? `, ${elf.interpreter}` : ""}`);
  if (disk !== undefined) {
    const virtual = disk.virtualSize === null ? "" : `, ${formatSize(disk.virtualSize)} for the guest`;
    lines.push(`disk          ${disk.name}, ${formatSize(disk.size)}${virtual}`);
  }
  return `${lines.map(printable).join("\n")}\n`;
}

/** A file comes first here, unlike where images are run: whoever asks what a file is names one. */
function locate(
  named: string,
  context: CommandContext,
): { readonly path: string; readonly kernel?: string | undefined } {
  const path = resolve(context.cwd, named);
  if (existsSync(path)) return { path };
  try {
    return findImageOrFile(named, context);
  } catch (error) {
    if (!(error instanceof CapstanError) || !NOT_THERE.has(error.code)) throw error;
    throw new CapstanError(`There is no file ${quotePath(named)}, nor an image of that name in the store`, {
      code: "no-such-file",
      hint: "Check the path; `capstan images` lists the images.",
      exitCode: ExitCode.noInput,
    });
  }
}

const NOT_THERE: ReadonlySet<string> = new Set(["no-such-image", "no-such-file", "bad-image-name"]);

/** As the original says it. */
function firstLine(named: string, { name, isRunnable }: FileKind): string {
  return `${printable(named)}: ${isRunnable ? name : `not a runnable image${name === "" ? "" : ` (${name})`}`}\n`;
}
