import { createHash } from "node:crypto";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Closable } from "../../../disks/block-device.ts";
import { type IndexedEntry, indexCpio } from "../../../distributions/package-files/cpio-index.ts";
import { findInDeb } from "../../../distributions/package-files/deb.ts";
import type { PackedFiles } from "../../../distributions/package-files/packed.ts";
import { findInRpm } from "../../../distributions/package-files/rpm.ts";
import { unpackFiles } from "../../../distributions/package-files/unpack.ts";
import type { OpenFile } from "../../../filesystems/file-space.ts";
import type { FileTree } from "../../../filesystems/filetree.ts";
import { openHostFile } from "../../../filesystems/host-space.ts";
import { createTree, insert } from "../../../filesystems/tree-builder.ts";
import { unpackLimit } from "../../../packages/limits.ts";
import { readArchive } from "../../../packages/tar/archive.ts";
import { readTar } from "../../../packages/tar/reader.ts";
import type { PackageSource } from "../../../project/capstanfile.ts";
import { writeBeside } from "../../../support/atomic.ts";
import type { Context } from "../../../support/context.ts";
import { fileIdentity } from "../../fingerprint.ts";

export interface OpenPackage extends Closable {
  /** Contents can be read at any place until it is closed. */
  readonly tree: FileTree;
}

export interface PackageOptions {
  readonly kind: PackageSource["kind"];
  /** For messages: `deb:redis-server`. */
  readonly origin: string;
  /** Where the unpacked archives are kept: they may be deleted at any time. */
  readonly cacheFolder: string;
}

/** The files that a package installs. Errors: those of unpacking, `bad-package-file`, `archive-…`. */
export async function openPackage(path: string, options: PackageOptions, context: Context): Promise<OpenPackage> {
  const packed = withHostFile(path, (file) =>
    options.kind === "deb" ? findInDeb(file, path, "data") : findInRpm(file, path),
  );
  const archive = await unpackedArchive(path, packed, options, context);
  const entries = packed.archive === "tar" ? await indexTar(archive, path, context) : cpioEntries(archive, path);
  const file = openHostFile(archive);
  return { tree: treeOf(entries, file, options.origin), close: () => file.close() };
}

/** The text of Debian's control file. */
export async function debControl(path: string, options: PackageOptions, context: Context): Promise<string> {
  const packed = withHostFile(path, (file) => findInDeb(file, path, "control"));
  const archive = await unpackedArchive(path, packed, options, context);
  const { contents } = await readTar(readArchive(archive, context), {
    name: path,
    wanted: (entry) => entry === "control",
    limits: { totalSize: unpackLimit(context) },
  });
  return Buffer.from(contents.get("control") ?? []).toString("utf8");
}

function withHostFile<T>(path: string, use: (file: OpenFile) => T): T {
  const file = openHostFile(path);
  try {
    return use(file);
  } finally {
    file.close();
  }
}

/** Unpacked once, and kept as long as the package file does not change. */
async function unpackedArchive(
  path: string,
  packed: PackedFiles,
  { cacheFolder }: PackageOptions,
  context: Context,
): Promise<string> {
  mkdirSync(cacheFolder, { recursive: true });
  const identity = `${fileIdentity(path)}:${packed.offset}`;
  const target = join(
    cacheFolder,
    `${createHash("sha256").update(identity).digest("hex").slice(0, 32)}.${packed.archive}`,
  );
  if (existsSync(target)) return target;
  const { signal, env } = context;
  await writeBeside(target, (temporary) =>
    unpackFiles(path, packed, temporary, { limit: unpackLimit(context), signal, env }),
  );
  return target;
}

async function indexTar(archive: string, path: string, context: Context): Promise<readonly PackedEntry[]> {
  const tar = await readTar(readArchive(archive, { signal: context.signal }), {
    name: path,
    limits: { totalSize: unpackLimit(context) },
  });
  return tar.entries;
}

function cpioEntries(archive: string, path: string): readonly PackedEntry[] {
  return withHostFile(archive, (file) => indexCpio(file, path));
}

/** What the indexes of both kinds of archives have. */
type PackedEntry = Pick<IndexedEntry, "path" | "mode" | "mtime"> &
  (
    | { readonly type: "file"; readonly size: number; readonly offset: number }
    | { readonly type: "symlink"; readonly target: string }
    | { readonly type: "directory" }
    | IndexedEntry
  );

function treeOf(entries: readonly PackedEntry[], device: OpenFile, origin: string): FileTree {
  const tree = createTree();
  for (const entry of entries) {
    if (entry.path === "" || isDocumentation(entry.path)) continue;
    const common = { mode: entry.mode, mtime: entry.mtime, origin };
    if (entry.type === "directory") insert(tree, entry.path, { ...common, type: "directory", children: new Map() });
    else if (entry.type === "symlink") insert(tree, entry.path, { ...common, type: "symlink", target: entry.target });
    else {
      const { size, offset } = entry;
      insert(tree, entry.path, { ...common, type: "file", size, content: { kind: "device", device, offset } });
    }
  }
  return tree;
}

/** Nobody reads manuals in a unikernel; licences stay. */
function isDocumentation(path: string): boolean {
  if (/^usr\/share\/doc(\/|$)/.test(path)) return !/^usr\/share\/doc\/[^/]+\/copyright$/.test(path);
  return /^usr\/share\/(man|info|lintian|bug)(\/|$)/.test(path);
}
