import { mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { buildPackage } from "../packages/build-package.ts";
import { cachedIndexPath } from "../packages/index-cache.ts";
import { checkPackageName } from "../packages/names.ts";
import {
  type IndexContext,
  type PackageIndex,
  packageManifest,
  readPackageIndex,
  rememberPackageIndex,
} from "../packages/package-index.ts";
import { howToGet } from "../packages/resolve.ts";
import { formatCreated, type PackageManifest, readManifestFile } from "../project/manifest.ts";
import { quoted } from "../project/text-file.ts";
import { temporaryBeside, writeSynced } from "../support/atomic.ts";
import type { Context } from "../support/context.ts";
import { CapstanError, doing, ExitCode, InterruptedError, isErrno, withNoun } from "../support/errors.ts";
import { nearest } from "../support/suggest.ts";
import { copyToNew } from "./copy.ts";
import { type Layout, lockPath, type PackagePaths, packagePaths } from "./layout.ts";
import { withLock } from "./lock.ts";
import { completePair, forgetPair, publishPair } from "./package-pair.ts";
import { readNames, sweepTemporaries } from "./temporaries.ts";

/** A package is in the store when both of its files are. */
export interface StoredPackage extends PackagePaths {
  readonly name: string;
}

export interface ListedPackage extends StoredPackage {
  /** Undefined when it cannot be read, and `problem` says why. */
  readonly info: PackageManifest | undefined;
  readonly problem: string | undefined;
}

/** All packages, broken ones with their reason, sorted by name. */
export function listPackages(layout: Layout): readonly ListedPackage[] {
  return packageNames(layout).map((name) => {
    const stored = { name, ...packagePaths(layout, name) };
    try {
      const info = readManifest(stored);
      return { ...stored, info, problem: info === undefined ? `${stored.manifest} is gone` : undefined };
    } catch (error) {
      if (!(error instanceof CapstanError)) throw error;
      return { ...stored, info: undefined, problem: error.message };
    }
  });
}

/** The names of all packages, sorted: without reading any of them. */
export function packageNames(layout: Layout): readonly string[] {
  const files = doing(`Reading ${layout.packages}`, () => readNames(layout.packages));
  return files
    .filter((file) => file.endsWith(".yaml") && !file.startsWith("."))
    .map((file) => file.slice(0, -".yaml".length))
    .filter((name) => isThere(packagePaths(layout, name)));
}

/** Undefined when there is no such package. Error: CapstanError `bad-package-name`. */
export function tryFindPackage(layout: Layout, name: string): StoredPackage | undefined {
  checkPackageName(name);
  const paths = packagePaths(layout, name);
  return isThere(paths) ? { name, ...paths } : undefined;
}

/** Errors: CapstanError `bad-package-name`, `package-missing`. */
export function findPackage(layout: Layout, name: string): StoredPackage {
  const found = tryFindPackage(layout, name);
  if (found !== undefined) return found;
  const meant = nearest(name, packageNames(layout));
  throw new CapstanError(`There is no package ${quoted(name)} in the local store`, {
    code: "package-missing",
    hint: howToGet(name, meant),
    exitCode: ExitCode.noInput,
  });
}

/** The manifest beside the archive: what the original goes by, too. */
export function readStoredManifest(stored: StoredPackage): PackageManifest {
  const manifest = readManifest(stored);
  if (manifest !== undefined) return manifest;
  throw new CapstanError(`The package ${quoted(stored.name)} was removed meanwhile`, {
    code: "package-missing",
    hint: "Try again.",
    exitCode: ExitCode.noInput,
  });
}

/** What is in a package of the store; unpacked once, and then remembered under cache/. */
export function readStoredIndex(layout: Layout, stored: StoredPackage, context: IndexContext): Promise<PackageIndex> {
  return readPackageIndex(stored.archive, { cacheFolder: layout.packageIndexes, context });
}

/** Copies an .mpm into the store under the name that its manifest has. */
export async function importPackage(layout: Layout, mpm: string, context: Context): Promise<StoredPackage> {
  const source = resolve(context.cwd, mpm);
  return addPackage(layout, context, {
    source,
    provide: (temporary) => doing(`Copying ${source}`, () => copyToNew(source, temporary, { signal: context.signal })),
  });
}

export interface FetchedPackage {
  readonly name: string;
  /** A file of the store's disk that is moved, not copied. */
  readonly archive: string;
  /** The manifest that came with it: it is the one that counts, as in the original. */
  readonly manifestText: string;
  /** What is in it, where that is known already. */
  readonly indexOf?: ((path: string) => Promise<PackageIndex | undefined>) | undefined;
}

/** Puts a package that was fetched into the store. Error: CapstanError `wrong-package` when the archive is of another name. */
export async function addFetchedPackage(
  layout: Layout,
  { name, archive, manifestText, indexOf }: FetchedPackage,
  context: Context,
): Promise<StoredPackage> {
  return addPackage(layout, context, {
    source: archive,
    manifestText,
    expectedName: name,
    indexOf,
    provide: async (temporary) => doing(`Moving ${archive}`, () => renameSync(archive, temporary)),
  });
}

/** Builds a project straight into the store: no .mpm is left in its folder. */
export async function importProject(layout: Layout, folder: string, context: Context): Promise<StoredPackage> {
  return addPackage(layout, context, {
    source: folder,
    provide: async (temporary) => {
      await buildPackage(folder, { output: temporary }, context);
    },
  });
}

/** Deletes a package. Without its manifest it is gone for everyone, whatever happens next. */
export async function removePackage(layout: Layout, name: string): Promise<void> {
  const { manifest, archive } = findPackage(layout, name);
  await withLock(lockPath(layout, "package", name), () => {
    forgetPair({ manifest, archive });
    for (const path of [manifest, archive, cachedIndexPath(layout.packageIndexes, archive)])
      rmSync(path, { force: true });
  });
}

/** The table's cells as in the original: an unknown time is `N/A`, an unknown platform is blank. */
export function packageCells({ name, info }: ListedPackage): readonly string[] {
  return [name, info?.title ?? "", info?.version ?? "", formatCreated(info?.created), info?.platform ?? ""];
}

interface NewPackage {
  /** Where it comes from, as messages call it. */
  readonly source: string;
  /** Makes the archive of that path. */
  readonly provide: (archive: string) => Promise<void>;
  /** In place of the manifest in the archive. */
  readonly manifestText?: string;
  readonly expectedName?: string;
  readonly indexOf?: FetchedPackage["indexOf"];
}

/**
 * Archive and manifest come into their places together, under a lock, the manifest last: a package that is new does
 * not exist before both are there. The manifest is the text of the one inside, so that comments in it survive.
 */
async function addPackage(layout: Layout, context: Context, request: NewPackage): Promise<StoredPackage> {
  const { source, provide, expectedName, manifestText } = request;
  const incoming = prepareFolders(layout, context.now());
  try {
    await provide(incoming.archive);
    const index =
      (await request.indexOf?.(incoming.archive)) ?? (await readPackageIndex(incoming.archive, { context }));
    const { name } = packageManifest(index);
    if (expectedName !== undefined && name !== expectedName) throw wrongPackage(name, expectedName);
    const paths = packagePaths(layout, name);
    const isNew = await doing(`Storing ${paths.archive}`, async () => {
      writeSynced(incoming.manifest, manifestText ?? index.manifestText ?? "");
      return await withLock(lockPath(layout, "package", name), () => publishPair(incoming, paths), context.signal);
    });
    if (isNew) rememberPackageIndex(layout.packageIndexes, { ...index, path: paths.archive }, context);
    return { name, ...paths };
  } catch (error) {
    throw withSource(error, incoming.archive, source);
  } finally {
    for (const path of [incoming.archive, incoming.manifest]) rmSync(path, { force: true });
  }
}

function wrongPackage(name: string, expected: string): CapstanError {
  return new CapstanError(`The archive that was fetched as ${quoted(expected)} holds the package ${quoted(name)}`, {
    code: "wrong-package",
    hint: "Tell those who run the repository; nothing was put into the store.",
  });
}

/** It is the copy that was read, and what it was made of that the user knows. */
function withSource(error: unknown, copy: string, source: string): unknown {
  if (!(error instanceof CapstanError) || error instanceof InterruptedError) return error;
  const rename = (text: string) => text.replaceAll(copy, source);
  const { code, exitCode, hint } = error;
  const details = error.details.map(rename);
  return new CapstanError(rename(error.message), { code, exitCode, hint, details, cause: error });
}

/** Returns where the two files are put together. */
function prepareFolders(layout: Layout, now: Date): PackagePaths {
  return doing(`Preparing ${layout.packages}`, () => {
    mkdirSync(layout.packages, { recursive: true });
    for (const folder of [layout.packages, layout.packageIndexes]) sweepTemporaries(folder, now);
    const at = packagePaths(layout, "incoming");
    return { archive: temporaryBeside(at.archive), manifest: temporaryBeside(at.manifest) };
  });
}

function readManifest({ manifest }: StoredPackage): PackageManifest | undefined {
  return readManifestFile(manifest, { name: manifest, foreign: true });
}

/** With what a process that was killed has left undone, if it comes to that. */
function isThere(paths: PackagePaths): boolean {
  completePair(paths);
  const { archive, manifest } = paths;
  return [archive, manifest].every((path) => isFile(path));
}

/** What cannot be looked at, such as a link in a circle, is no file: one bad entry must not hide the others. */
function isFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "ELOOP", "EACCES")) return false;
    throw withNoun(error, `Looking at ${path}`);
  }
}
