import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { fileInside } from "../../remotes/index/inside.ts";
import { parseIndex } from "../../remotes/index/parse.ts";
import { INDEX_NAME, type IndexedFile, type RepositoryIndex, SIGNATURE_NAME } from "../../remotes/index/schema.ts";
import { inParallel } from "../../remotes/listing/parallel.ts";
import type { Context } from "../../support/context.ts";
import { CapstanError } from "../../support/errors.ts";
import { type Digests, openDigests } from "../digests.ts";
import { type IndexFile, needIndexFile } from "../index-file.ts";
import { openRepository } from "../repository.ts";
import { bucketTarget } from "./bucket-target.ts";
import { folderTarget } from "./folder-target.ts";
import type { PublishedFile, PublishTarget } from "./target.ts";

export interface PublishResult {
  readonly target: string;
  /** In the order in which they went. */
  readonly written: readonly string[];
  /** How many files were there before. */
  readonly unchanged: number;
  /** In bytes, of what was written. */
  readonly size: number;
}

/**
 * Brings a repository to where others fetch it. The index goes last, behind all that it names, so that a reader never
 * sees one half; and files that replace others go just before it. What the index of the target names with the same digest
 * is there already. Nothing is deleted: readers of the older index may still be fetching.
 * Errors: CapstanError `repository-without-index`, `repository-stale`, `bad-publish-target`, `no-credentials`, `remote-…`.
 */
export async function publish(dir: string, target: string, context: Context): Promise<PublishResult> {
  const { root } = openRepository(dir, context);
  const destination = openTarget(target, context);
  const file = needIndexFile(root);
  const digests = openDigests({ root }, context);
  const files = await indexedFiles(root, file.index, digests);
  const pages = await otherFiles(root, await pagesOf(root), digests);
  await digests.save();
  const last = lastFiles(root, file);
  const before = await publishedFiles(destination, context);
  const missing = files.filter(({ path, sha256 }) => before.get(path) !== sha256);
  const written: PublishedFile[] = [];
  const write = async (one: PublishedFile) => {
    await destination.write(one, context);
    written.push(one);
    const [done, total] = [written.length, missing.length + pages.length + last.length];
    context.reporter.report({ kind: "progress", text: "Publishing", done, total, unit: "files" });
  };
  const isNew = ({ path }: PublishedFile) => !before.has(path);
  const replacing = missing.filter((one) => !isNew(one));
  for (const files of [missing.filter(isNew), replacing, pages]) await writeAll(files, write);
  for (const one of last) await write(one);
  return {
    target: destination.address,
    written: written.map(({ path }) => path),
    unchanged: files.length - missing.length,
    size: written.reduce((sum, { size }) => sum + size, 0),
  };
}

const AT_ONCE = 4;

/** After an error too, it is over only when nothing is on its way any more. */
async function writeAll(files: readonly PublishedFile[], write: (file: PublishedFile) => Promise<void>): Promise<void> {
  const begun: Promise<void>[] = [];
  try {
    await inParallel(files, AT_ONCE, (file) => {
      const writing = write(file);
      begun.push(writing);
      return writing;
    });
  } finally {
    await Promise.allSettled(begun);
  }
}

function openTarget(target: string, context: Context): PublishTarget {
  if (target.startsWith("s3:")) return bucketTarget(target, context.env);
  if (target.startsWith("file:")) return folderTarget(fileURLToPath(target));
  return folderTarget(resolve(context.cwd, target));
}

async function indexedFiles(root: string, index: RepositoryIndex, digests: Digests): Promise<readonly PublishedFile[]> {
  const named = new Map(filesOf(index).map((file) => [file.path, file]));
  const files = await otherFiles(root, [...named.keys()], digests);
  const found = new Map(files.map((file) => [file.path, file]));
  const stale = [...named.values()].filter(({ path, sha256 }) => found.get(path)?.sha256 !== sha256);
  if (stale.length === 0) return files;
  throw new CapstanError(`${join(root, INDEX_NAME)} is not of what lies there: ${stale[0]?.path} is another or gone`, {
    code: "repository-stale",
    hint: "Run 'capstan repo index', and 'capstan repo sign' if it is signed; then publish again.",
    details: stale.length > 1 ? stale.slice(0, 50).map(({ path }) => path) : [],
  });
}

/** Those that are there. */
async function otherFiles(root: string, paths: readonly string[], digests: Digests): Promise<readonly PublishedFile[]> {
  const files: PublishedFile[] = [];
  for (const path of [...paths].sort()) {
    const file = fileInside(root, path);
    if (file === undefined) continue;
    files.push({ path, source: file.path, size: file.stats.size, sha256: await digests.of(path, file) });
  }
  return files;
}

function filesOf({ packages, images }: RepositoryIndex): readonly IndexedFile[] {
  return [
    ...packages.flatMap(({ archive, manifest }) => [archive, manifest]),
    ...images.flatMap(({ disk, kernel, index }) => [disk, kernel, index].filter((file) => file !== undefined)),
  ];
}

/** The pages for people, which no index names. */
async function pagesOf(root: string): Promise<readonly string[]> {
  const pages = readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".html"))
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1));
  return pages;
}

/** The signature and then the index, as they were read. */
function lastFiles(root: string, { bytes }: IndexFile): readonly PublishedFile[] {
  const signature = fileInside(root, SIGNATURE_NAME);
  const describe = (path: string, content: Buffer): PublishedFile => ({
    path,
    source: join(root, path),
    size: content.length,
    sha256: createHash("sha256").update(content).digest("hex"),
  });
  const signatures = signature === undefined ? [] : [describe(SIGNATURE_NAME, readFileSync(signature.path))];
  return [...signatures, describe(INDEX_NAME, bytes)];
}

/** Digests by path, of the index that was published before: all that it names is there. */
async function publishedFiles(
  target: PublishTarget,
  context: Context,
): Promise<ReadonlyMap<string, string | undefined>> {
  const bytes = await target.read(INDEX_NAME, context);
  if (bytes === undefined) return new Map();
  try {
    return new Map(filesOf(parseIndex(bytes, target.address)).map(({ path, sha256 }) => [path, sha256]));
  } catch (error) {
    if (error instanceof CapstanError) return new Map();
    throw error;
  }
}
