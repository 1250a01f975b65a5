import { DeviceWindow } from "../disks/block-device.ts";
import { setBootArgs } from "../disks/boot-args.ts";
import { copyDevice, layoutDisk } from "../disks/image.ts";
import { inspectLoader } from "../disks/loader.ts";
import { setRootPartition } from "../disks/mbr.ts";
import { openDisk } from "../disks/probe.ts";
import { createQcow2 } from "../disks/qcow2/writer.ts";
import type { FileTree } from "../filesystems/filetree.ts";
import { planRofs, writeRofs } from "../filesystems/rofs/writer.ts";
import { formatSize } from "../support/bytes.ts";
import type { Context } from "../support/context.ts";

export interface ImageContent {
  /** The loader's file, raw or qcow2. */
  readonly loader: string;
  readonly commandLine: string;
  readonly tree: FileTree;
}

export interface WrittenImage {
  /** Of the disk as the guest sees it, in bytes. */
  readonly virtualSize: number;
  readonly filesystemSize: number;
}

/**
 * Writes a bootable disk into the new qcow2 file `path`: loader, boot command, partition 2 with a ROFS of the tree.
 * Every byte is copied once, from where it lies to its final place, and synced before this returns.
 */
export async function writeImage(path: string, content: ImageContent, context: Context): Promise<WrittenImage> {
  const { signal, reporter } = context;
  const loader = openDisk(content.loader);
  try {
    inspectLoader(loader.device, content.loader);
    const plan = planRofs(content.tree);
    const layout = layoutDisk({ loaderSize: loader.device.size, filesystemSize: plan.size });
    const { start, size } = layout.partition;
    reporter.report({ kind: "detail", text: `Root file system: ROFS of ${formatSize(size)} at byte ${start}` });
    const disk = createQcow2(path, { size: layout.totalSize });
    try {
      await copyDevice(loader.device, disk, { signal });
      setBootArgs(disk, content.commandLine);
      await writeRofs(plan, new DeviceWindow(disk, start, size), { signal, reporter });
      setRootPartition(disk, { start, size });
      disk.flush();
    } finally {
      disk.close();
    }
    return { virtualSize: layout.totalSize, filesystemSize: plan.size };
  } finally {
    loader.close();
  }
}
