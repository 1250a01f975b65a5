import { resolve } from "node:path";
import { createVolume, newVolumeFormats } from "../../instances/volumes/create.ts";
import { CapstanError, ExitCode } from "../../support/errors.ts";
import { parseSize } from "../../support/sizes.ts";
import type { Answer, CommandContext } from "../answer.ts";
import { type Input, usageError } from "../input.ts";
import { volumeFileSystems, volumeProject } from "../volumes.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const size = input.text("size");
  const value = await createVolume(
    {
      project: volumeProject(context),
      name: input.need("name"),
      size: size === undefined ? undefined : parseSize(size, { flag: "--size" }),
      format: newVolumeFormats.find((format) => format === input.text("format")) ?? "raw",
      filler: await chooseFiller(input, context),
    },
    context,
  );
  return { value };
}

const ZFS_ROOTS = ["osv", "osv/zfs", "both"] as const;

async function chooseFiller(input: Input, context: CommandContext) {
  const from = input.text("from");
  const fs = input.text("fs");
  if (fs === undefined && from !== undefined) throw usageError("--from goes with --fs.", "Write --fs rofs --from DIR.");
  const chosen = fs === undefined ? undefined : volumeFileSystems[fs];
  const zfsRoot = ZFS_ROOTS.find((root) => root === input.text("zfs-root"));
  if (zfsRoot !== undefined && fs !== "zfs") throw usageError("--zfs-root goes with --fs zfs.", "Write --fs zfs.");
  if (chosen === undefined) return undefined;
  if (chosen.needsFolder && from === undefined) {
    throw usageError(`A volume with ${fs} is written once: --from is missing.`, "Name the folder: --from DIR");
  }
  const folder = from === undefined ? undefined : resolve(context.cwd, from);
  try {
    return await chosen.prepare({ folder, zfsRoot }, context);
  } catch (error) {
    if (!(error instanceof CapstanError) || error.code !== "os-enoent") throw error;
    throw new CapstanError(`There is no folder ${folder}`, {
      code: "no-such-folder",
      hint: "Check the path of --from.",
      exitCode: ExitCode.noInput,
      cause: error,
    });
  }
}
