import { resolve } from "node:path";
import { provenanceOf } from "../../compose/provenance.ts";
import { sourceFinder } from "../../images/file-sources.ts";
import { measureSizes, type SizeNode, type SourceSize, sizesBySource } from "../../images/sizes.ts";
import { drawTreemap } from "../../images/treemap.ts";
import { checkFolderOf, checkReplaceable, writeFileAtomically } from "../../support/atomic.ts";
import { formatSize } from "../../support/bytes.ts";
import type { Answer, CommandContext } from "../answer.ts";
import { type Input, usageError } from "../input.ts";
import { printableLine } from "../output.ts";
import { entryAt, viewImage } from "../view-image.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const image = input.need("image");
  const path = input.arg("path") ?? "/";
  const depth = depthFlag(input);
  const view = viewImage(image, context);
  try {
    const opened = view.root();
    const root = measureSizes(entryAt(opened, path), path);
    const sourceOf = sourceFinder({ provenance: provenanceOf(view.path), tree: opened.tree, name: image }, context);
    const sources = sizesBySource(root, sourceOf);
    const svg = input.text("svg");
    if (svg !== undefined) {
      const groupOf = (file: SizeNode) => sourceText(sourceOf(file.path, file.size));
      const target = resolve(context.cwd, svg);
      checkFolderOf(target, "--svg");
      checkReplaceable(target);
      await writeFileAtomically(target, drawTreemap({ title: image, root, groupOf }));
      context.reporter.report({ kind: "step", text: `Drew ${target}` });
    }
    const value = { path, size: root.size, files: root.files, sources, tree: pruned(root, depth) };
    return { value, text: () => render(value) };
  } finally {
    view.close();
  }
}

function depthFlag(input: Input): number {
  const text = input.text("depth") ?? "2";
  if (/^\d{1,3}$/.test(text)) return Number(text);
  throw usageError(`--depth '${text}' is not a number of folders.`, "Write a whole number, such as 2.");
}

interface Row extends Omit<SizeNode, "children"> {
  readonly children: readonly Row[];
}

function pruned(node: SizeNode, depth: number): Row {
  return { ...node, children: depth === 0 ? [] : node.children.map((child) => pruned(child, depth - 1)) };
}

function render({ tree, sources }: { readonly tree: Row; readonly sources: readonly SourceSize[] }): string {
  const lines = [...rows(tree, tree.size)];
  if (sources.some(({ kind }) => kind !== "unknown")) {
    lines.push("", ...sources.map((one) => line(one.size, tree.size, sourceText(one))));
  }
  return `${lines.map(printableLine).join("\n")}\n`;
}

function* rows(node: Row, total: number): Generator<string> {
  yield line(node.size, total, node.type === "directory" && node.path !== "/" ? `${node.path}/` : node.path);
  for (const child of node.children) if (child.type !== "symlink") yield* rows(child, total);
}

function line(size: number, total: number, text: string): string {
  const share = total === 0 ? 0 : Math.round((size / total) * 100);
  return `${formatSize(size).padStart(9)} ${String(share).padStart(3)} %  ${text}`;
}

const KINDS: Readonly<Record<SourceSize["kind"], string>> = {
  package: "package ",
  distribution: "",
  project: "project ",
  host: "",
  base: "base ",
  made: "",
  unknown: "",
};

function sourceText({ kind, name, version }: Pick<SourceSize, "kind" | "name" | "version">): string {
  if (kind === "unknown") return "not recorded";
  return `${KINDS[kind]}${name}${version === undefined ? "" : ` ${version}`}`;
}
