import { existsSync } from "node:fs";
import { join } from "node:path";
import type { FileTree } from "../filesystems/filetree.ts";
import { treeFromHost } from "../filesystems/host-tree.ts";
import { planRofs, writeRofs } from "../filesystems/rofs/writer.ts";
import type { ZfsRoot } from "../filesystems/zfs/writer.ts";
import type { VolumeFiller } from "../instances/volumes/create.ts";
import { CAPSTANFILE } from "../project/folder.ts";
import { FILE_NAMES } from "../services/read-file.ts";
import { formatSize, GiB, MiB, roundUp } from "../support/bytes.ts";
import { CapstanError } from "../support/errors.ts";
import type { CommandContext } from "./answer.ts";

/** The project whose volumes are meant: that of this folder, as in the original, of whichever kind it is. Error: CapstanError `not-a-project` (65). */
export function volumeProject({ cwd }: CommandContext): string {
  if (MARKS.some((file) => existsSync(join(cwd, file)))) return cwd;
  throw new CapstanError(`${cwd} is not the folder of a project, and volumes belong to one`, {
    code: "not-a-project",
    hint: "Go to the folder that holds meta/package.yaml, a Capstanfile or capstan.yaml, or make a project: capstan init",
  });
}

const MARKS: readonly string[] = [join("meta", "package.yaml"), CAPSTANFILE, ...FILE_NAMES];

/** A file system that can be put on a new volume, from a folder of this machine or from nothing. */
interface FileSystem {
  readonly needsFolder: boolean;
  readonly prepare: (source: VolumeSource, context: CommandContext) => Promise<VolumeFiller>;
}

export interface VolumeSource {
  /** Absolute; an empty file system without it. */
  readonly folder: string | undefined;
  /** The data set that the kernel is to find the content in; both without it. */
  readonly zfsRoot: ZfsRoot | undefined;
}

/** By the names in --fs. */
export const volumeFileSystems: Readonly<Record<string, FileSystem>> = {
  rofs: { needsFolder: true, prepare: prepareRofs },
  zfs: { needsFolder: false, prepare: prepareZfs },
};

async function prepareRofs({ folder }: VolumeSource, context: CommandContext): Promise<VolumeFiller> {
  const { signal, reporter } = context;
  const plan = planRofs(await treeOf(folder, context));
  return {
    fs: "rofs",
    least: plan.size,
    usual: roundUp(plan.size, MiB),
    write: (device) => writeRofs(plan, device, { signal, reporter }),
  };
}

/** Which kernel will mount it is not known here: without a word about it, the content is in either data set. */
async function prepareZfs({ folder, zfsRoot }: VolumeSource, context: CommandContext): Promise<VolumeFiller> {
  const { planZfs, writeZfs } = await import("../filesystems/zfs/writer.ts");
  const { signal, reporter } = context;
  const tree = await treeOf(folder, context);
  const plan = (size: number) => planZfs(tree, { size, root: zfsRoot ?? "both" });
  return {
    fs: "zfs",
    least: SMALLEST_ZFS,
    usual: Math.max(GiB, roundUp(plan(GiB).enough, MiB)),
    write: async (device) => {
      await writeZfs(plan(device.size), device, { signal, reporter });
    },
  };
}

const SMALLEST_ZFS = 64 * MiB;

async function treeOf(folder: string | undefined, { cwd, signal }: CommandContext): Promise<FileTree> {
  if (folder !== undefined) return await treeFromHost(folder, { cwd, signal, origin: folder });
  return { type: "directory", mode: 0o755, mtime: 0, origin: "", children: new Map() };
}

export function sizeCell(bytes: number | null): string {
  return bytes === null ? "?" : formatSize(bytes);
}
