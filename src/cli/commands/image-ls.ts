import type { TreeEntry } from "../../filesystems/filetree.ts";
import type { TreeImage } from "../../filesystems/tree-image.ts";
import { walk } from "../../filesystems/tree-walk.ts";
import type { Answer, CommandContext } from "../answer.ts";
import type { Input } from "../input.ts";
import { printableLine } from "../output.ts";
import { entryAt, viewImage } from "../view-image.ts";

interface Row {
  readonly path: string;
  readonly type: TreeEntry["type"];
  readonly size?: number;
  readonly target?: string;
}

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const view = viewImage(input.need("image"), context);
  try {
    const path = input.arg("path") ?? "/";
    const rows = listRows(view.root(), path, input.on("recursive"));
    return { value: rows, text: () => rows.map(renderRow).join("") };
  } finally {
    view.close();
  }
}

function listRows(root: TreeImage, path: string, recursive: boolean): Row[] {
  const entry = entryAt(root, path);
  if (recursive && entry.type === "directory") {
    return [...walk(entry)].map((walked) => toRow(walked.path.slice(1), walked.entry));
  }
  return root.list(path).map(({ name, entry: found }) => toRow(name, found));
}

function toRow(path: string, entry: TreeEntry): Row {
  if (entry.type === "file") return { path, type: entry.type, size: entry.size };
  return entry.type === "symlink" ? { path, type: entry.type, target: entry.target } : { path, type: entry.type };
}

function renderRow(row: Row): string {
  const size = row.size === undefined ? "-" : String(row.size);
  const mark = row.type === "directory" ? "/" : row.target === undefined ? "" : ` -> ${row.target}`;
  return `${size.padStart(12)}  ${printableLine(row.path + mark)}\n`;
}
