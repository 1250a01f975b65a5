import { statSync } from "node:fs";
import { basename, resolve } from "node:path";
import { openDisk } from "../../disks/probe.ts";
import { EXPORT_FORMATS, type ExportFormat, exportDisk, type OvaMachine } from "../../exports/export.ts";
import { formatSize, MiB } from "../../support/bytes.ts";
import { parseSize } from "../../support/sizes.ts";
import type { Answer, CommandContext } from "../answer.ts";
import { findImageOrFile } from "../find-image.ts";
import { type Input, usageError } from "../input.ts";
import { backingOf, checkAtRest } from "../instance-disk.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const image = findImageOrFile(input.need("image"), context);
  const format = formatFlag(input);
  const compress = input.on("compress");
  if (compress && format !== "qcow2") {
    throw usageError("--compress goes with --format qcow2.", "The formats vmdk-stream and gce are compressed anyway.");
  }
  const path = resolve(context.cwd, input.text("output") ?? `${basename(image.name)}${EXPORT_FORMATS[format]}`);
  checkAtRest(image.path, context);
  const disk = openDisk(image.path, { backing: backingOf(image.path, context) });
  try {
    const machine = machineOf(basename(image.name), format, input);
    await exportDisk({ device: disk.device, path, format, compress, force: input.on("force"), machine }, context);
  } finally {
    disk.close();
  }
  const { size, blocks } = statSync(path);
  const value = { image: image.name, path, format, virtualSize: disk.device.size, size, used: blocks * 512 };
  context.reporter.report({
    kind: "step",
    text: `Exported ${image.name} to ${path}: ${format}, ${formatSize(value.used)}`,
  });
  return { value };
}

/** What an OVA says of the machine. */
function machineOf(name: string, format: ExportFormat, input: Input): OvaMachine | undefined {
  const [flavour, memory, cpus] = [input.text("ova-for"), input.text("memory"), input.text("cpus")];
  if (format !== "ova") {
    const given = ["ova-for", "memory", "cpus"].find((flag) => input.text(flag) !== undefined);
    if (given !== undefined) throw usageError(`--${given} goes with --format ova.`);
    return undefined;
  }
  return {
    name,
    flavour: flavour === "vmware" ? "vmware" : "virtualbox",
    memory: Math.ceil(parseSize(memory ?? "1G", { flag: "--memory" }) / MiB),
    cpus: cpuCount(cpus ?? "2"),
  };
}

function cpuCount(text: string): number {
  if (/^[1-9]\d{0,2}$/.test(text)) return Number(text);
  throw usageError(`--cpus '${text}' is not a number of processors.`, "Write a whole number, such as 2.");
}

function formatFlag(input: Input): ExportFormat {
  const text = input.text("format") ?? "";
  const known = Object.keys(EXPORT_FORMATS) as ExportFormat[];
  const found = known.find((format) => format === text);
  if (found !== undefined) return found;
  throw usageError("The format is missing.", `Choose one: --format ${known.join("|")}`);
}
