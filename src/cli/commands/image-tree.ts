import type { DirectoryEntry, TreeEntry } from "../../filesystems/filetree.ts";
import { sortByBytes } from "../../filesystems/names.ts";
import { formatSize } from "../../support/bytes.ts";
import { CapstanError } from "../../support/errors.ts";
import type { Answer, CommandContext } from "../answer.ts";
import type { Input } from "../input.ts";
import { printableLine } from "../output.ts";
import { entryAt, viewImage } from "../view-image.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const view = viewImage(input.need("image"), context);
  try {
    const path = input.arg("path") ?? "/";
    const entry = entryAt(view.root(), path);
    if (entry.type !== "directory") {
      throw new CapstanError(`${path} is not a directory of the image`, {
        code: "not-a-directory",
        hint: "Use `capstan image cat` for a file.",
      });
    }
    return {
      value: toValue(path, entry),
      text: () => [`${printableLine(path)}\n`, ...drawChildren(entry, "")].join(""),
    };
  } finally {
    view.close();
  }
}

interface Node {
  readonly name: string;
  readonly type: TreeEntry["type"];
  readonly size?: number;
  readonly target?: string;
  readonly children?: readonly Node[];
}

function toValue(name: string, entry: TreeEntry): Node {
  if (entry.type === "file") return { name, type: entry.type, size: entry.size };
  if (entry.type === "symlink") return { name, type: entry.type, target: entry.target };
  return { name, type: entry.type, children: children(entry).map(([child, below]) => toValue(child, below)) };
}

function* drawChildren(directory: DirectoryEntry, indent: string): Generator<string> {
  const entries = children(directory);
  for (const [index, [name, entry]] of entries.entries()) {
    const last = index === entries.length - 1;
    yield `${indent}${last ? "└── " : "├── "}${label(name, entry)}\n`;
    if (entry.type === "directory") yield* drawChildren(entry, indent + (last ? "    " : "│   "));
  }
}

function label(name: string, entry: TreeEntry): string {
  if (entry.type === "directory") return printableLine(`${name}/`);
  if (entry.type === "symlink") return printableLine(`${name} -> ${entry.target}`);
  return `${printableLine(name)} (${formatSize(entry.size)})`;
}

function children(directory: DirectoryEntry): [string, TreeEntry][] {
  return sortByBytes(directory.children.keys()).flatMap((name) => {
    const entry = directory.children.get(name);
    return entry === undefined ? [] : [[name, entry] as [string, TreeEntry]];
  });
}
