import { statSync } from "node:fs";
import type { ImageView } from "../../compose/view.ts";
import { measureTree } from "../../filesystems/tree-walk.ts";
import { formatSize } from "../../support/bytes.ts";
import { count } from "../../support/count.ts";
import { CapstanError } from "../../support/errors.ts";
import type { Answer, CommandContext } from "../answer.ts";
import type { Input } from "../input.ts";
import { printable } from "../output.ts";
import { viewImage } from "../view-image.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const view = viewImage(input.need("image"), context);
  try {
    const value = describe(view);
    return { value, text: () => render(value) };
  } finally {
    view.close();
  }
}

type Description = ReturnType<typeof describe>;

function describe(view: ImageView) {
  const { image } = view;
  const stats = statSync(view.path);
  const problems = [...image.problems];
  return {
    path: view.path,
    format: image.format,
    virtualSize: image.size,
    /** What the file takes on this machine's disk. */
    storedSize: stats.blocks === undefined ? stats.size : stats.blocks * 512,
    commandLine: image.commandLine ?? null,
    loader: image.loader === undefined ? null : { payloadSize: image.loader.payloadSize },
    partitions: image.partitions.map(({ number, type, start, size }) => ({ number, type, start, size })),
    root: describeRoot(view, problems),
    problems,
  };
}

function describeRoot(view: ImageView, problems: string[]) {
  if (view.filesystem === undefined) return null;
  try {
    const root = view.root();
    const { files, links, directories, bytes } = measureTree(root.tree);
    return { filesystem: view.filesystem, size: root.size, files, links, directories, contentSize: bytes };
  } catch (error) {
    if (!(error instanceof CapstanError)) throw error;
    problems.push(error.message);
    return { filesystem: view.filesystem, size: null, files: null, links: null, directories: null, contentSize: null };
  }
}

function render(value: Description): string {
  const { root } = value;
  const lines = [
    `file          ${value.path}`,
    `format        ${value.format}, ${formatSize(value.virtualSize)} for the guest, ${formatSize(value.storedSize)} on disk`,
    `loader        ${value.loader === null ? "none" : `kernel of ${formatSize(value.loader.payloadSize)}, packed`}`,
    `boot command  ${value.commandLine || "none"}`,
    ...value.partitions.map(
      ({ number, type, start, size }) =>
        `partition ${number}   type 0x${type.toString(16)}, at byte ${start}, ${formatSize(size)}`,
    ),
    `root          ${root === null ? "none that can be read" : rootLine(root)}`,
    ...value.problems.map((problem) => `problem       ${problem}`),
  ];
  return `${lines.map(printable).join("\n")}\n`;
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
