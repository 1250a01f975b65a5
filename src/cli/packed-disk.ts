import { createHash } from "node:crypto";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { fileIdentity, storedFingerprint } from "../compose/fingerprint.ts";
import { safeName } from "../compose/program.ts";
import { unpackDisk } from "../exports/unpack.ts";
import { fileKind } from "../images/file-kind.ts";
import { unpackLimit } from "../packages/limits.ts";
import { type ImportedImage, importImage } from "../store/import-image.ts";
import { temporaryBeside } from "../support/atomic.ts";
import type { CommandContext } from "./answer.ts";
import { type FoundImage, findImageOrFile } from "./find-image.ts";
import { looksPacked, PACKED } from "./named-path.ts";
import { openStore } from "./store.ts";

export type ImportRequest = Parameters<typeof importImage>[1];

/** Imports the disk in an OVA or in a tarball of Google's. */
export async function importPacked(request: ImportRequest, context: CommandContext): Promise<ImportedImage> {
  const { layout } = openStore(context);
  mkdirSync(layout.downloads, { recursive: true });
  const disk = temporaryBeside(join(layout.downloads, "import"));
  try {
    const { signal, reporter } = context;
    await unpackDisk(request.file, disk, {
      ...{ signal, limit: unpackLimit(context) },
      onProgress: (done, total) => reporter.report({ kind: "progress", text: "Unpacking", done, total, unit: "bytes" }),
    });
    return await importImage(layout, { ...request, file: disk, shown: request.file, move: true }, context);
  } finally {
    rmSync(disk, { force: true });
  }
}

/** The path of an archive with a disk in it, where a word names one; undefined for all else. */
export function findPackedDisk(word: string, { cwd }: CommandContext): string | undefined {
  const path = resolve(cwd, word);
  if (!looksPacked(word) || !existsSync(path)) return undefined;
  return fileKind(path).isArchive ? path : undefined;
}

/** For `run`: the image in an archive, unpacked into the store once for each state of the file. */
export async function imageOfPacked(path: string, context: CommandContext): Promise<FoundImage> {
  const { layout } = openStore(context);
  const hash = createHash("sha256").update(path).digest("hex").slice(0, 8);
  const name = `unpacked/${safeName(basename(path).replace(PACKED, ""))}-${hash}`;
  const inputs = fileIdentity(path);
  if (storedFingerprint(layout, name)?.inputs !== inputs) {
    await importPacked({ name, file: path, meta: { inputs } }, context);
    context.reporter.report({ kind: "step", text: `Unpacked ${path} into the image ${name}` });
  }
  return findImageOrFile(name, context);
}
