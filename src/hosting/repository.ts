import { mkdirSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { formatIndex } from "../remotes/index/format.ts";
import { realRoot } from "../remotes/index/inside.ts";
import { INDEX_NAME } from "../remotes/index/schema.ts";
import { PACKAGES, surveyFolder } from "../remotes/index/survey.ts";
import { withLock } from "../store/lock.ts";
import { writeFileAtomically } from "../support/atomic.ts";
import type { Context } from "../support/context.ts";
import { CapstanError, doing, ExitCode } from "../support/errors.ts";
import { generatedTime } from "./generated-time.ts";

/** A folder of packages and images for others. What it holds of ours besides them is in `.capstan`, and never given out. */
export interface Repository {
  /** Absolute and without links. */
  readonly root: string;
}

/** Where digests and indexes of packages are kept from one time to the next; may be deleted at any time. */
export const OWN_FOLDER = ".capstan";

export interface InitResult {
  readonly dir: string;
  /** False when it was a repository before. */
  readonly created: boolean;
}

/** Makes a folder an empty repository; one that is a repository stays as it is. Error: CapstanError `folder-not-empty`. */
export async function initRepository(dir: string, context: Context): Promise<InitResult> {
  const path = resolve(context.cwd, dir);
  const names = doing(`Making ${path}`, () => {
    mkdirSync(path, { recursive: true });
    return readdirSync(path).filter((name) => !name.startsWith("."));
  });
  if (names.includes(INDEX_NAME)) return { dir: path, created: false };
  const { packages, images } = surveyFolder(openRepository(path, context).root);
  if (names.length > 0 && packages.length + images.length === 0 && !names.includes(PACKAGES)) {
    throw new CapstanError(`${path} is not empty, and what is in it is no repository`, {
      code: "folder-not-empty",
      hint: "Name a new folder, or an empty one.",
      exitCode: ExitCode.cannotCreate,
    });
  }
  doing(`Making ${path}`, () => mkdirSync(join(path, PACKAGES), { recursive: true }));
  // With packages in it, it is 'repo index' that makes the index.
  if (packages.length + images.length === 0) {
    const empty = { generated: generatedTime(context), packages: [], images: [] };
    await writeFileAtomically(join(path, INDEX_NAME), formatIndex(empty));
  }
  return { dir: path, created: true };
}

/** Error: CapstanError `no-such-repository`. */
export function openRepository(dir: string, { cwd }: Pick<Context, "cwd">): Repository {
  const path = resolve(cwd, dir);
  const root = realRoot(path);
  if (root !== undefined) return { root };
  throw new CapstanError(`There is no folder ${path}`, {
    code: "no-such-repository",
    hint: `Make a repository with 'capstan repo init ${dir}'.`,
    exitCode: ExitCode.noInput,
  });
}

/** One at a time changes a repository. */
export function whileLocked<T>({ root }: Repository, { signal }: Context, work: () => Promise<T>): Promise<T> {
  return doing(`Changing ${root}`, () => {
    mkdirSync(join(root, OWN_FOLDER), { recursive: true });
    return withLock(join(root, OWN_FOLDER, "lock"), work, signal);
  });
}
