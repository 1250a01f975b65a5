import { openDisk } from "../../disks/probe.ts";
import { resizeImage } from "../../images/resize.ts";
import { formatSize } from "../../support/bytes.ts";
import { parseSize } from "../../support/sizes.ts";
import { amendTarget } from "../amend-target.ts";
import type { Answer, CommandContext } from "../answer.ts";
import type { Input } from "../input.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const image = input.need("image");
  const target = amendTarget(image, context);
  const resized = await resizeImage(target, wantedSize(input.need("size"), target.path), context);
  const { before, after, filesystem, reason } = resized;
  const disk = before === after ? "" : `${image} grew from ${formatSize(before)} to ${formatSize(after)}. `;
  const text =
    filesystem === null
      ? `${disk}The file system stays as it is: ${reason}`
      : `${disk}Its ZFS grew from ${formatSize(filesystem.before)} to ${formatSize(filesystem.after)}`;
  context.reporter.report({ kind: "step", text });
  return { value: { image, ...resized } };
}

/** `20G`, or `+5G` for so much more. */
function wantedSize(text: string, path: string): number {
  const size = parseSize(text.replace(/^\+/, ""), { flag: "the size" });
  if (!text.startsWith("+")) return size;
  const disk = openDisk(path, { backing: "refuse" });
  try {
    return disk.device.size + size;
  } finally {
    disk.close();
  }
}
