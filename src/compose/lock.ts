import { type LockedItem, type LockFile, readLockFile } from "../packages/lock-file.ts";
import type { Project } from "../project/project.ts";
import type { Layout } from "../store/layout.ts";
import { BUILTIN_LOADER, type Loader } from "../store/loaders.ts";
import { latestOrigin, type Origin, storedState } from "../store/origins.ts";
import { findPackage, readStoredManifest } from "../store/packages.ts";
import type { Context } from "../support/context.ts";
import { CapstanError } from "../support/errors.ts";
import { hashFile } from "../support/hash-file.ts";
import { BASE_PACKAGE, makePlan } from "./plan.ts";

export interface LockRequest {
  readonly project: Project;
  readonly layout: Layout;
  readonly require: readonly string[];
  readonly loader: Loader | undefined;
}

/** What the store has of all that the project's image would be made of, as a lock file. */
export async function lockProject(request: LockRequest, context: Context): Promise<LockFile> {
  const { project, layout, loader } = request;
  const plan = await makePlan({ project, require: request.require, base: BASE_PACKAGE }, layout, context);
  const packages: LockedItem[] = [];
  for (const { name } of plan.packages) packages.push(await lockPackage(name, layout, context));
  return { loader: loader === undefined ? undefined : await lockLoader(loader, layout, context), packages };
}

/** How the store differs from a lock file: sentences, empty where it does not. */
export async function compareWithLock(
  lock: LockFile,
  request: LockRequest,
  context: Context,
): Promise<readonly string[]> {
  const now = await lockProject(request, context);
  const locked = new Map(lock.packages.map((item) => [item.name, item]));
  const differences = now.packages.flatMap((item) => {
    const wanted = locked.get(item.name);
    locked.delete(item.name);
    if (wanted === undefined) return [`the package ${text(item)} is not in the lock file`];
    return difference("the package", wanted, item);
  });
  for (const item of locked.values()) differences.push(`the package ${text(item)} of the lock file is not used`);
  if (lock.loader !== undefined && now.loader !== undefined) {
    differences.push(...difference("the loader", lock.loader, now.loader));
  }
  return differences;
}

/** Checks a project against its capstan.lock, where it has one. Error: CapstanError `lock-differs` when `frozen`. */
export async function checkLock(request: LockRequest & { readonly frozen: boolean }, context: Context): Promise<void> {
  const lock = readLockFile(request.project.dir);
  if (lock === undefined) {
    if (!request.frozen) return;
    throw new CapstanError("There is no capstan.lock in this project, and --frozen goes by it", {
      code: "no-lock",
      hint: "Write one: capstan package lock",
    });
  }
  const differences = await compareWithLock(lock, request, context);
  const [first, ...others] = differences;
  if (first === undefined) return;
  const hint =
    "Fetch what was locked ('capstan package pull NAME@VERSION'), or lock what is there: capstan package lock";
  if (request.frozen) {
    throw new CapstanError(`The store differs from capstan.lock: ${first}`, {
      code: "lock-differs",
      details: others,
      hint,
    });
  }
  for (const sentence of differences) {
    context.reporter.report({ kind: "warning", text: `Not as in capstan.lock: ${sentence}`, hint });
  }
}

async function lockPackage(name: string, layout: Layout, context: Context): Promise<LockedItem> {
  const stored = findPackage(layout, name);
  const { version } = readStoredManifest(stored);
  return await lockFile({ kind: "package", name, version, path: stored.archive }, layout, context);
}

async function lockLoader({ name, image }: Loader, layout: Layout, context: Context): Promise<LockedItem> {
  const shown = name === image ? (image.split("/").at(-1) ?? name) : name;
  const origin = name === BUILTIN_LOADER ? undefined : latestOrigin(layout, "image", name);
  const version = origin !== undefined && isAsItCame(origin, image) ? origin.version : undefined;
  return await lockFile({ kind: "image", name: shown, version, path: image }, layout, context);
}

/** The digest of an image is often that of a packed file, which says nothing of the file in the store. */
function isAsItCame({ stored }: Origin, path: string): boolean {
  return stored === undefined || stored === storedState(path);
}

interface Item {
  readonly kind: "package" | "image";
  readonly name: string;
  readonly version: string | undefined;
  readonly path: string;
}

async function lockFile({ kind, name, version, path }: Item, layout: Layout, context: Context): Promise<LockedItem> {
  const origin = latestOrigin(layout, kind, name);
  const sha256 = await hashFile(path, context.signal);
  // What was imported over what had been fetched is not from there any more.
  const isFetched =
    origin !== undefined &&
    origin.version === version &&
    (kind === "image" ? isAsItCame(origin, path) : origin.sha256 === sha256);
  const source = isFetched ? { remote: origin.remote, url: origin.url, release: origin.release } : undefined;
  return { name, version, arch: isFetched ? origin.arch : undefined, sha256, source };
}

function difference(what: string, wanted: LockedItem, found: LockedItem): readonly string[] {
  if (wanted.sha256 === found.sha256) return [];
  if (wanted.version !== found.version) return [`${what} ${wanted.name} is ${text(found)}, locked is ${text(wanted)}`];
  return [`${what} ${text(wanted)} has another content than the locked one`];
}

function text({ name, version }: LockedItem): string {
  return version === undefined ? name : `${name} ${version}`;
}
