import { rmSync } from "node:fs";
import { join } from "node:path";
import { type FolderProblem, readFolderIndex } from "../remotes/index/folder-index.ts";
import { formatIndex } from "../remotes/index/format.ts";
import { fileInside } from "../remotes/index/inside.ts";
import { parseIndex } from "../remotes/index/parse.ts";
import { INDEX_NAME, type RepositoryIndex, SIGNATURE_NAME } from "../remotes/index/schema.ts";
import { PACKAGES } from "../remotes/index/survey.ts";
import { sweepTemporaries } from "../store/temporaries.ts";
import { writeFileAtomically } from "../support/atomic.ts";
import type { Context } from "../support/context.ts";
import { CapstanError } from "../support/errors.ts";
import { openDigests } from "./digests.ts";
import { generatedTime } from "./generated-time.ts";
import { readIndexFile } from "./index-file.ts";
import { refreshPages } from "./page/write-pages.ts";
import { openRepository, type Repository, whileLocked } from "./repository.ts";

export interface IndexResult {
  readonly path: string;
  readonly packages: number;
  readonly images: number;
  /** False when the index said all this before: then it stays, byte for byte. */
  readonly changed: boolean;
  /** `removed`: there was a signature, and it does not fit any more. */
  readonly signature: "none" | "kept" | "removed";
  /** What is not in the index, and why. */
  readonly problems: readonly FolderProblem[];
}

/** Makes the index of what lies in the folder now, and brings the pages along where there are some. Files that are unchanged since the last time are not read again. */
export async function indexRepository(dir: string, context: Context): Promise<IndexResult> {
  const repository = openRepository(dir, context);
  // A lock is to be held for moments only: large files are read before, and found unchanged then.
  await makeIndex(repository, context);
  return whileLocked(repository, context, async () => {
    const result = await writeIndex(repository, context);
    await refreshPages(repository, context);
    return result;
  });
}

async function writeIndex(repository: Repository, context: Context): Promise<IndexResult> {
  const { root } = repository;
  for (const folder of [root, join(root, PACKAGES)]) sweepTemporaries(folder, context.now());
  const { index, problems } = await makeIndex(repository, context);
  const path = join(root, INDEX_NAME);
  const text = formatIndex(index);
  const before = tryReadIndex(root);
  const changed =
    before === undefined || formatIndex({ ...index, generated: before.generated }) !== formatIndex(before);
  const isSigned = fileInside(root, SIGNATURE_NAME) !== undefined;
  if (changed) {
    // A signature of other bytes is worth nothing, and readers would take it for a forgery.
    rmSync(join(root, SIGNATURE_NAME), { force: true });
    await writeFileAtomically(path, text);
  }
  return {
    path,
    packages: index.packages.length,
    images: index.images.length,
    changed,
    signature: isSigned ? (changed ? "removed" : "kept") : "none",
    problems,
  };
}

/** The index as it should be; nothing is written but digests. */
export async function makeIndex(
  repository: Repository,
  context: Context,
): Promise<{ readonly index: RepositoryIndex; readonly problems: readonly FolderProblem[] }> {
  const digests = openDigests(repository, context);
  const { packages, images, problems } = await readFolderIndex(repository.root, (path, file) => digests.of(path, file));
  await digests.save();
  const index = { generated: generatedTime(context), packages, images };
  // What no reader would take must not be written: a title of a megabyte, for instance.
  return { index: parseIndex(Buffer.from(formatIndex(index)), join(repository.root, INDEX_NAME)), problems };
}

/** Undefined as well where it is damaged: it is made anew. */
function tryReadIndex(root: string): RepositoryIndex | undefined {
  try {
    return readIndexFile(root)?.index;
  } catch (error) {
    if (error instanceof CapstanError) return undefined;
    throw error;
  }
}
