import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { createRaw } from "../../../src/disks/raw.ts";
import type { FileTree } from "../../../src/filesystems/filetree.ts";
import { checkPool } from "../../../src/filesystems/zfs/check.ts";
import { openZfs, type ZfsImage } from "../../../src/filesystems/zfs/reader.ts";
import { planZfs, writeZfs, type ZfsOptions } from "../../../src/filesystems/zfs/writer.ts";
import { MiB } from "../../../src/support/bytes.ts";
import { MemoryDevice } from "../../support/memory-device.ts";

/** A pool on a disk in memory, as large as it has to be where no size is given. */
export async function poolOf(root: FileTree, options: Partial<ZfsOptions> = {}): Promise<MemoryDevice> {
  const wanted = { size: 64 * MiB, root: "osv", ...options } as const;
  const { enough } = planZfs(root, wanted);
  const plan = planZfs(root, options.size === undefined ? { ...wanted, size: enough } : wanted);
  const device = new MemoryDevice(plan.size);
  await writeZfs(plan, device);
  return device;
}

/** The pool as the reader sees it, after its check has found nothing wrong. */
export function soundPool(device: MemoryDevice, dataset?: string): ZfsImage {
  expect(checkPool(device, { fresh: true }).problems).toEqual([]);
  return openZfs(device, dataset === undefined ? {} : { dataset });
}

export interface Verdict {
  readonly status: number | null;
  readonly text: string;
}

/** What ZFS's own debugger says of a pool: it reads all blocks, and compares the space maps with them. */
export async function judge(root: FileTree, options: Partial<ZfsOptions> = {}): Promise<Verdict> {
  const folder = mkdtempSync(join(tmpdir(), "capstan-zfs-"));
  try {
    const wanted = { size: 64 * MiB, root: "osv", ...options } as const;
    const { enough } = planZfs(root, wanted);
    const plan = planZfs(root, { ...wanted, size: Math.max(wanted.size, enough) });
    const disk = createRaw(join(folder, "pool"), { size: plan.size, sync: false });
    try {
      await writeZfs(plan, disk);
    } finally {
      disk.close();
    }
    const { status, stdout, stderr } = spawnSync("zdb", ["-e", "-p", folder, "-bcc", "osv"], { encoding: "utf8" });
    return { status, text: `${stdout}\n${stderr}` };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export const SOUND = {
  status: 0,
  text: expect.stringContaining("No leaks (block sum matches space maps exactly)") as string,
};
