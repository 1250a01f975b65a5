import { DeviceWindow, ReadWindow } from "../../disks/block-device.ts";
import { setBootArgs } from "../../disks/boot-args.ts";
import { copyDevice } from "../../disks/image.ts";
import { movePartition, setRootPartition } from "../../disks/mbr.ts";
import { createQcow2 } from "../../disks/qcow2/writer.ts";
import type { FileTree } from "../../filesystems/filetree.ts";
import { formatSize } from "../../support/bytes.ts";
import type { Context } from "../../support/context.ts";
import type { RootFilesystem } from "../root-filesystem.ts";
import { planRoot } from "../write-image.ts";
import type { Base } from "./base.ts";
import { layoutAmended } from "./layout.ts";

export interface AmendedContent {
  readonly base: Base;
  readonly tree: FileTree;
  readonly root: RootFilesystem;
  readonly commandLine: string;
}

/**
 * Writes the new disk into the new qcow2 file `path`: what the base has, with another root file system and boot command.
 * Every byte is copied once, and synced before this returns. Returns the size of the disk as the guest sees it, in bytes.
 */
export async function writeAmended(path: string, content: AmendedContent, context: Context): Promise<number> {
  const { signal, reporter } = context;
  const { base, commandLine } = content;
  const { device, partitions } = base.view.image;
  const plan = planRoot({ ...content, reuse: base.reuse });
  const { headSize, root, behind, totalSize } = layoutAmended({ size: device.size, partitions }, plan.size);
  reporter.report({
    kind: "detail",
    text: `Root file system: ${plan.name} of ${formatSize(root.size)} at byte ${root.start}`,
  });
  const disk = createQcow2(path, { size: totalSize, sync: true });
  try {
    await copyDevice(new ReadWindow(device, 0, headSize), disk, { signal });
    setBootArgs(disk, commandLine);
    await plan.write(new DeviceWindow(disk, root.start, root.size), context);
    setRootPartition(disk, root);
    for (const { partition, from } of behind) {
      const { start, size } = partition;
      await copyDevice(new ReadWindow(device, from, size), new DeviceWindow(disk, start, size), { signal });
      movePartition(disk, partition);
    }
    disk.flush();
  } finally {
    disk.close();
  }
  return totalSize;
}
