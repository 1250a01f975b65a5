import { DeviceWindow } from "../disks/block-device.ts";
import { setBootArgs } from "../disks/boot-args.ts";
import { copyDevice, layoutDisk } from "../disks/image.ts";
import { inspectLoader } from "../disks/loader.ts";
import { setRootPartition } from "../disks/mbr.ts";
import { openDisk } from "../disks/probe.ts";
import { createQcow2 } from "../disks/qcow2/writer.ts";
import type { FileTree } from "../filesystems/filetree.ts";
import type { Reuse } from "../filesystems/reuse.ts";
import { BLOCK_SIZE } from "../filesystems/rofs/layout.ts";
import { planRofs, writeRofs } from "../filesystems/rofs/writer.ts";
import { checkRoom } from "../filesystems/zfs/room.ts";
import { planZfs, writeZfs } from "../filesystems/zfs/writer.ts";
import { formatSize } from "../support/bytes.ts";
import type { Context } from "../support/context.ts";
import { buildByVm } from "./builder/build-by-vm.ts";
import type { WrittenFile } from "./record.ts";
import type { RootFilesystem } from "./root-filesystem.ts";

export interface ImageContent {
  /** The loader's file, raw or qcow2. */
  readonly loader: string;
  readonly commandLine: string;
  readonly tree: FileTree;
  readonly root: RootFilesystem;
  /** What an older image has of the contents. */
  readonly reuse?: Reuse | undefined;
}

export interface WrittenImage {
  /** Of the disk as the guest sees it, in bytes. */
  readonly virtualSize: number;
  readonly filesystemSize: number;
  /** Where in the root file system the contents lie that are there in one piece. */
  readonly files: readonly WrittenFile[];
}

/**
 * Writes a bootable disk into the new qcow2 file `path`: loader, boot command, partition 2 with a file system of the tree.
 * Every byte is copied once, from where it lies to its final place, and synced before this returns.
 */
export async function writeImage(path: string, content: ImageContent, context: Context): Promise<WrittenImage> {
  const { signal, reporter } = context;
  const loader = openDisk(content.loader);
  try {
    inspectLoader(loader.device, content.loader);
    const plan = planRoot(content);
    const layout = layoutDisk({ loaderSize: loader.device.size, filesystemSize: plan.size });
    const { start, size } = layout.partition;
    reporter.report({ kind: "detail", text: `Root file system: ${plan.name} of ${formatSize(size)} at byte ${start}` });
    let files: readonly WrittenFile[] = [];
    const disk = createQcow2(path, { size: layout.totalSize, sync: plan.fill === undefined });
    try {
      await copyDevice(loader.device, disk, { signal });
      setBootArgs(disk, content.commandLine);
      files = await plan.write(new DeviceWindow(disk, start, size), context);
      setRootPartition(disk, { start, size });
      disk.flush();
    } finally {
      disk.close();
    }
    await plan.fill?.(path, context);
    return { virtualSize: layout.totalSize, filesystemSize: plan.size, files };
  } finally {
    loader.close();
  }
}

/** A file system that is ready to be written. */
export interface RootPlan {
  /** For messages. */
  readonly name: string;
  /** In bytes. */
  readonly size: number;
  write(device: DeviceWindow, context: Context): Promise<readonly WrittenFile[]>;
  /** What is done when the image is complete but for its root. */
  fill?(path: string, context: Context): Promise<unknown>;
}

export function planRoot({ tree, root, reuse }: Pick<ImageContent, "tree" | "root" | "reuse">): RootPlan {
  if (root.kind === "zfs") {
    const plan = planZfs(tree, root);
    const { builder } = root;
    if (builder !== undefined) {
      return {
        ...{ name: "ZFS", size: plan.size, write: async () => [] },
        fill: async (path, context) => {
          // The builder would halt without a word when its disk is full.
          await checkRoom(plan, context.signal);
          await buildByVm({ ...builder, disk: path, root: root.root, tree }, context);
        },
      };
    }
    return {
      ...{ name: "ZFS", size: plan.size },
      write: async (device, { signal, reporter }) => {
        const { starts } = await writeZfs(plan, device, { signal, reporter, reuse });
        return plan.files.flatMap((file, index) => {
          const place = starts[index] ?? -1;
          return place < 0 ? [] : [{ file, place }];
        });
      },
    };
  }
  const plan = planRofs(tree);
  return {
    ...{ name: "ROFS", size: plan.size },
    write: async (device, { signal, reporter }) => {
      await writeRofs(plan, device, { signal, reporter, reuse });
      return plan.files.map((file, index) => ({ file, place: (plan.firstBlocks[index] ?? 0) * BLOCK_SIZE }));
    },
  };
}
