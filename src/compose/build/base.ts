import { ROOT_PARTITION } from "../../disks/mbr.ts";
import type { FileTree } from "../../filesystems/filetree.ts";
import type { Reuse } from "../../filesystems/reuse.ts";
import { createTree } from "../../filesystems/tree-builder.ts";
import { planZfs } from "../../filesystems/zfs/writer.ts";
import type { Loader } from "../../store/loaders.ts";
import { GiB } from "../../support/bytes.ts";
import type { Context } from "../../support/context.ts";
import { CapstanError } from "../../support/errors.ts";
import { kernelOf } from "../check-image.ts";
import { baseTree } from "../merge.ts";
import { type RootFilesystem, rootFilesystem, ZFS_LOADER } from "../root-filesystem.ts";
import { type ImageView, openView, type RootImage } from "../view.ts";

/** The image that a Capstanfile starts from, opened. */
export interface Base {
  /** Its loader with its kernel. */
  readonly loader: Loader;
  readonly view: ImageView;
  /** Its files, for new ones to be laid over; Capstan's own base files where it has no root file system. */
  readonly tree: FileTree;
  /** "" where it has none. */
  readonly commandLine: string;
  /** What the new image has for this tree: of the same kind, where there is one, and as large, or larger where it has to be. */
  readonly root: (asked: RootWish, tree: FileTree, context: Context) => RootFilesystem;
  /** What can be copied out of it in long runs. */
  readonly reuse: Reuse | undefined;
  close(): void;
}

/** What flags say of the root of the new image. */
export interface RootWish {
  readonly fs: "rofs" | "zfs" | undefined;
  /** Of a writable root, in bytes. */
  readonly size: number | undefined;
  readonly zfsRoot: "osv" | "osv/zfs" | "both" | undefined;
}

/** Errors: CapstanError `base-not-amendable` that says why; those of the disk formats and file systems. */
export function openBase(loader: Loader, where: string): Base {
  const view = openView(loader.image);
  try {
    const { image, filesystem } = view;
    if (image.loader === undefined) throw notAmendable(loader, where, image.problems[0] ?? "it does not boot");
    const hasRoot = image.partitions.some(({ number }) => number === ROOT_PARTITION);
    if (hasRoot && filesystem === undefined) {
      const problem = image.problems[0] ?? `its partition ${ROOT_PARTITION} holds neither ROFS nor ZFS`;
      throw notAmendable(loader, where, problem);
    }
    const root = hasRoot ? view.root() : undefined;
    if (root !== undefined) checkWhole(root, loader, where);
    return {
      ...{ loader, view, tree: root?.tree ?? withBaseFiles(), commandLine: image.commandLine ?? "" },
      root: (wish, tree, context) => chooseRoot({ loader, where, view, root, wish, tree }, context),
      reuse: filesystem === "rofs" ? reuseOf(view) : undefined,
      close: () => view.close(),
    };
  } catch (error) {
    view.close();
    throw error;
  }
}

function withBaseFiles(): FileTree {
  const tree = createTree();
  for (const [name, entry] of baseTree().children) tree.children.set(name, entry);
  return tree;
}

/** A pool may hold more than the file system that is the root: nothing of it is to be lost without a word. */
function checkWhole({ zfs }: RootImage, loader: Loader, where: string): void {
  if (zfs === undefined) return;
  const others = zfs.datasets.filter((name) => name !== "osv" && name !== "osv/zfs");
  if (others.length > 0) {
    throw notAmendable(loader, where, `its pool has further file systems (${others.join(", ")}), which would be lost`);
  }
  const [omitted] = zfs.omitted;
  if (omitted !== undefined) throw notAmendable(loader, where, `${omitted}, and would be lost`);
}

function notAmendable({ name }: Loader, where: string, problem: string): CapstanError {
  return new CapstanError(`${where}: the base ${name} cannot be amended: ${problem}`, {
    code: "base-not-amendable",
    hint: "Name a bootable image with a ROFS or ZFS root, or a loader such as osv-loader: 'capstan image inspect' tells what an image holds.",
  });
}

interface RootChoice {
  readonly loader: Loader;
  readonly where: string;
  readonly view: ImageView;
  readonly root: RootImage | undefined;
  readonly wish: RootWish;
  /** What goes in. */
  readonly tree: FileTree;
}

function chooseRoot({ loader, where, view, root, wish, tree }: RootChoice, context: Context): RootFilesystem {
  const kind = wish.fs ?? view.filesystem ?? "rofs";
  if (kind === "rofs") return { kind };
  const before = view.filesystem === "zfs" ? view.image.rootPartition?.size : undefined;
  const size = wish.size ?? before ?? DEFAULT_ZFS_SIZE;
  const { zfs } = kernelOf(loader).can;
  if (zfs === false) throw withoutZfs(loader, where);
  const known = zfs === "osv" || zfs === "osv/zfs" ? zfs : undefined;
  const chosen = rootFilesystem({ kind, size, root: wish.zfsRoot ?? known ?? dataSetOf(root) }, loader, context);
  if (chosen.kind === "rofs" || wish.size !== undefined) return chosen;
  const { enough } = planZfs(tree, chosen);
  return enough <= size ? chosen : { ...chosen, size: enough };
}

function withoutZfs(loader: Loader, where: string): CapstanError {
  return new CapstanError(
    `${where}: the kernel of the base ${loader.name}, ${kernelOf(loader).title}, cannot mount ZFS`,
    {
      code: "kernel-without-zfs",
      hint: `Start from one that can, 'base: ${ZFS_LOADER}', or leave --fs zfs out.`,
    },
  );
}

/** Of `package compose`; what is not in use takes no space on this machine. */
const DEFAULT_ZFS_SIZE = 10 * GiB;

/** Where the kernel does not tell which data set it mounts: the one that the base has. */
export function dataSetOf(root: RootImage | undefined): "osv" | "osv/zfs" | "both" | undefined {
  if (root?.zfs === undefined) return undefined;
  const { dataset, filled } = root.zfs;
  if (filled.includes("osv") && filled.includes("osv/zfs")) return "both";
  return dataset === "osv/zfs" ? "osv/zfs" : "osv";
}

/** Files of the base lie one behind the other as they are to lie in the new image. */
function reuseOf({ image }: ImageView): Reuse | undefined {
  const device = image.rootPartition;
  if (device === undefined) return undefined;
  return {
    device,
    place: ({ content, size }) => {
      const isOfBase = content.kind === "device" && content.device === device && content.offset + size <= device.size;
      return isOfBase ? content.offset : undefined;
    },
  };
}
