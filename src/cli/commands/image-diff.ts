import { statSync } from "node:fs";
import type { ImageView } from "../../compose/view.ts";
import { type Difference, diffTrees } from "../../images/diff.ts";
import { formatSize } from "../../support/bytes.ts";
import { count } from "../../support/count.ts";
import { ExitCode } from "../../support/errors.ts";
import type { Answer, CommandContext } from "../answer.ts";
import type { Input } from "../input.ts";
import { printableLine } from "../output.ts";
import { viewImage } from "../view-image.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const before = viewImage(input.need("before"), context);
  try {
    const after = viewImage(input.need("after"), context);
    try {
      const value = await compare(before, after, context);
      const exitCode = input.on("exit-code") && !value.same ? ExitCode.runFailed : ExitCode.ok;
      return { value, text: () => render(value), exitCode };
    } finally {
      after.close();
    }
  } finally {
    before.close();
  }
}

type Comparison = Awaited<ReturnType<typeof compare>>;

async function compare(before: ImageView, after: ImageView, { signal }: CommandContext) {
  const modes = before.filesystem === "zfs" && after.filesystem === "zfs";
  const files = await diffTrees(before.root().tree, after.root().tree, { modes, signal });
  const commandLine = pair(before.image.commandLine ?? null, after.image.commandLine ?? null);
  const virtualSize = pair(before.image.size, after.image.size);
  const filesystem = pair(before.filesystem ?? null, after.filesystem ?? null);
  return {
    same: files.length === 0 && [commandLine, virtualSize, filesystem].every((one) => one === null),
    commandLine,
    virtualSize,
    filesystem,
    /** Of the files of the images on this machine. */
    storedSize: { before: storedSize(before), after: storedSize(after) },
    contentSize: files.reduce((sum, one) => sum + (one.after ?? 0) - (one.before ?? 0), 0),
    files,
  };
}

/** Null where both are one. */
function pair<T>(before: T, after: T): { readonly before: T; readonly after: T } | null {
  return before === after ? null : { before, after };
}

function storedSize({ path }: ImageView): number {
  return statSync(path).blocks * 512;
}

const MARKS = { added: "+", removed: "-", changed: "~" } as const;

function render({ same, commandLine, virtualSize, filesystem, contentSize, files }: Comparison): string {
  if (same) return "The images hold the same.\n";
  const lines = [
    ...(commandLine === null
      ? []
      : [`boot command  ${commandLine.before ?? "none"} -> ${commandLine.after ?? "none"}`]),
    ...(virtualSize === null ? [] : [`disk          ${sizeText(virtualSize.before, virtualSize.after)}`]),
    ...(filesystem === null ? [] : [`root          ${filesystem.before ?? "none"} -> ${filesystem.after ?? "none"}`]),
    ...files.map(renderFile),
    summary(files, contentSize),
  ];
  return `${lines.map(printableLine).join("\n")}\n`;
}

function renderFile({ path, change, type, before, after, what }: Difference): string {
  const name = type === "directory" ? `${path}/` : path;
  return `${MARKS[change]} ${sizeText(before, after).padStart(20)}  ${name}${what === undefined || what === "content" ? "" : ` (${what})`}`;
}

function sizeText(before: number | null, after: number | null): string {
  if (before !== null && after !== null) {
    if (before === after) return formatSize(after);
    const texts = [formatSize(before), formatSize(after)];
    // What differs by little would read as if it were the same.
    return texts[0] === texts[1] ? `${before} -> ${after} B` : texts.join(" -> ");
  }
  const size = before ?? after;
  return size === null ? "" : formatSize(size);
}

function summary(files: readonly Difference[], bytes: number): string {
  const number = (change: Difference["change"]) => files.filter((one) => one.change === change).length;
  const sign = bytes < 0 ? "-" : "+";
  return `${count(number("added"), "path")} added, ${number("removed")} removed, ${number("changed")} changed; ${sign}${formatSize(Math.abs(bytes))}`;
}
