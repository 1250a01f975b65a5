import { statSync } from "node:fs";
import type { ImageView, RootImage } from "../compose/view.ts";
import { measureTree } from "../filesystems/tree-walk.ts";
import { type Kernel, readKernel } from "../kernels/kernel.ts";
import { formatSize } from "../support/bytes.ts";
import { count } from "../support/count.ts";
import { CapstanError } from "../support/errors.ts";
import { printable } from "./output.ts";

export type Description = ReturnType<typeof describeImage>;

export interface DescribeOptions {
  /** Read all of a pool. */
  readonly verify: boolean;
  /** The ELF of its kernel, where one lies beside it. */
  readonly kernel: string | undefined;
}

/** What an image holds: `image inspect` and `info` tell it. */
export function describeImage(view: ImageView, { verify, kernel }: DescribeOptions) {
  const { image } = view;
  const stats = statSync(view.path);
  const problems = [...image.problems];
  const root = describeRoot(view, problems);
  if (verify) for (const problem of view.verify()) if (!problems.includes(problem)) problems.push(problem);
  return {
    path: view.path,
    format: image.format,
    virtualSize: image.size,
    /** What the file takes on this machine's disk. */
    storedSize: stats.blocks === undefined ? stats.size : stats.blocks * 512,
    commandLine: image.commandLine ?? null,
    loader: image.loader === undefined ? null : { payloadSize: image.loader.payloadSize, ...kernelOf(view, kernel) },
    partitions: image.partitions.map(({ number, type, start, size }) => ({ number, type, start, size })),
    root,
    problems,
  };
}

/** Of a kernel that cannot be read, nothing is known; that it is there is told all the same. */
function kernelOf(
  view: ImageView,
  elf: string | undefined,
): { readonly kernel: Kernel["kind"]; readonly version: string | null } {
  try {
    const { kind, version } = readKernel({ name: "the image", image: view.path, elf });
    return { kernel: kind, version: version ?? null };
  } catch (error) {
    if (!(error instanceof CapstanError)) throw error;
    return { kernel: "osv", version: null };
  }
}

function describeRoot(view: ImageView, problems: string[]) {
  if (view.filesystem === undefined) return null;
  try {
    const root = view.root();
    const { files, links, directories, bytes } = measureTree(root.tree);
    const totals = { files, links, directories, contentSize: bytes };
    if (root.zfs !== undefined) problems.push(...root.zfs.omitted);
    return { filesystem: view.filesystem, size: root.size, ...totals, pool: describePool(root.zfs) };
  } catch (error) {
    if (!(error instanceof CapstanError)) throw error;
    problems.push(error.message);
    const totals = { files: null, links: null, directories: null, contentSize: null };
    return { filesystem: view.filesystem, size: null, ...totals, pool: null };
  }
}

/** Null for file systems that are no pool. */
function describePool(zfs: RootImage["zfs"]) {
  if (zfs === undefined) return null;
  const { label, txg, dataset, datasets } = zfs;
  return { name: label.name, version: label.version, transaction: txg, root: dataset, fileSystems: datasets };
}

export function renderDescription(value: Description): string {
  const { root } = value;
  const lines = [
    `file          ${value.path}`,
    `format        ${value.format}, ${formatSize(value.virtualSize)} for the guest, ${formatSize(value.storedSize)} on disk`,
    `loader        ${value.loader === null ? "none" : loaderLine(value.loader)}`,
    `boot command  ${value.commandLine || "none"}`,
    ...value.partitions.map(
      ({ number, type, start, size }) =>
        `partition ${number}   type 0x${type.toString(16)}, at byte ${start}, ${formatSize(size)}`,
    ),
    `root          ${root === null ? "none that can be read" : rootLine(root)}`,
    ...poolLines(root?.pool),
    ...value.problems.map((problem) => `problem       ${problem}`),
  ];
  return `${lines.map(printable).join("\n")}\n`;
}

function loaderLine({ kernel, version, payloadSize }: NonNullable<Description["loader"]>): string {
  const title = kernel === "demo" ? "Capstan's demo kernel" : "OSv";
  return `${title}${version === null ? "" : ` ${version}`}, ${formatSize(payloadSize)} packed`;
}

function poolLines(pool: NonNullable<Description["root"]>["pool"] | undefined): string[] {
  if (!pool) return [];
  const others = pool.fileSystems.filter((name) => name !== pool.root);
  const more = others.length === 0 ? "" : `; it has ${others.join(", ")} as well`;
  return [
    `pool          ${pool.name}, version ${pool.version}, transaction ${pool.transaction}; shown is ${pool.root}${more}`,
  ];
}

function rootLine(root: NonNullable<Description["root"]>): string {
  if (root.size === null) return `${root.filesystem}, damaged`;
  const counts = [
    count(root.files ?? 0, "file"),
    count(root.directories ?? 0, "directory"),
    count(root.links ?? 0, "link"),
  ].join(", ");
  return `${root.filesystem}, ${formatSize(root.size)}: ${counts}, ${formatSize(root.contentSize)} of content`;
}
