import { existsSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { openView } from "../../compose/view.ts";
import { type FileKind, fileKind } from "../../images/file-kind.ts";
import { formatSize } from "../../support/bytes.ts";
import type { Answer, CommandContext } from "../answer.ts";
import { findImageOrFile } from "../find-image.ts";
import { describeImage, renderDescription } from "../image-description.ts";
import type { Input } from "../input.ts";
import { printable } from "../output.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const named = input.need("file");
  const { path, kernel } = locate(named, context);
  const kind = fileKind(path);
  if (!kind.isDisk) {
    const value = { path, kind: kind.name, size: statSync(path).size };
    return {
      value,
      text: () => firstLine(named, kind) + (kind.isRunnable ? "" : `size          ${formatSize(value.size)}\n`),
    };
  }
  const view = openView(path);
  try {
    const value = { kind: kind.name, ...describeImage(view, { verify: false, kernel }) };
    return { value, text: () => firstLine(named, kind) + renderDescription(value) };
  } finally {
    view.close();
  }
}

/** A file comes first here, unlike where images are run: whoever asks what a file is names one. */
function locate(
  named: string,
  context: CommandContext,
): { readonly path: string; readonly kernel?: string | undefined } {
  const path = resolve(context.cwd, named);
  return existsSync(path) ? { path } : findImageOrFile(named, context);
}

/** As the original says it. */
function firstLine(named: string, { name, isRunnable }: FileKind): string {
  return `${printable(named)}: ${isRunnable ? name : `not a runnable image${name === "" ? "" : ` (${name})`}`}\n`;
}
