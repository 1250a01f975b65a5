import { setBootArgs } from "../disks/boot-args.ts";
import { openImage } from "../disks/image.ts";
import type { Context } from "../support/context.ts";
import { CapstanError } from "../support/errors.ts";
import { type AmendTarget, copyAll, replaceDisk } from "./amend.ts";

export interface CommandChange {
  readonly before: string;
  readonly after: string;
}

/** Gives an image another boot command. Errors: CapstanError `image-not-bootable`, `boot-args-…`, and those of the disk formats. */
export async function setImageCommand(target: AmendTarget, command: string, context: Context): Promise<CommandChange> {
  const image = openImage(target.path, { backing: "refuse" });
  try {
    const before = image.loader === undefined ? undefined : image.commandLine;
    if (before === undefined) {
      throw new CapstanError(
        `${target.path} has no boot command: ${image.problems[0] ?? "there is no text in its place"}`,
        {
          code: "image-not-bootable",
          hint: "Name an image that begins with an OSv loader: 'capstan info FILE' tells what a file is.",
        },
      );
    }
    if (before === command) return { before, after: command };
    const write = async (disk: Parameters<typeof setBootArgs>[0]) => {
      await copyAll(image.device, disk, context);
      setBootArgs(disk, command);
    };
    await replaceDisk(target, { size: image.size, write }, context);
    return { before, after: command };
  } finally {
    image.close();
  }
}
