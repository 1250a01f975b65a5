import { inParallel } from "../remotes/listing/parallel.ts";
import type { Remote, RemoteImage, RemotePackage } from "../remotes/remote.ts";
import type { Context } from "../support/context.ts";
import { CapstanError, InterruptedError } from "../support/errors.ts";
import type { Add } from "./add-package.ts";
import type { Added } from "./add-to-repository.ts";
import { type IndexResult, indexRepository, makeIndex } from "./index-repository.ts";
import { knownItems, mirrorImage, mirrorPackage } from "./mirror-item.ts";
import { openRepository } from "./repository.ts";

export interface MirrorOptions {
  /** Only names that match one of these: a text that a name has to contain, or a pattern with `*`. All without any. */
  readonly filters: readonly string[];
  readonly arches: readonly string[];
  /** Takes what has changed at the remote under the same name and version. */
  readonly replace: boolean;
}

export interface MirrorFailure {
  readonly kind: "package" | "image";
  readonly name: string;
  readonly version: string | null;
  readonly problem: string;
}

export interface MirrorResult {
  /** What was fetched. */
  readonly fetched: readonly Added[];
  /** How many were here before. */
  readonly unchanged: number;
  readonly failed: readonly MirrorFailure[];
  readonly index: IndexResult;
}

/**
 * Brings what a remote offers into a repository, and nothing twice: what is here with the same digest, or with the same
 * size where the remote tells no digests, is not fetched. Each file is verified before it comes into its place; one that
 * cannot be fetched does not hold up the others. Nothing is deleted. The index is made anew at the end.
 */
export async function mirror(
  remote: Remote,
  dir: string,
  options: MirrorOptions,
  context: Context,
): Promise<MirrorResult> {
  const repository = openRepository(dir, context);
  const add: Add = { repository, replace: options.replace };
  const known = knownItems((await makeIndex(repository, context)).index);
  const { packages, images } = await listRemote(remote, options, context);
  const fetched: Added[] = [];
  const failed: MirrorFailure[] = [];
  const work = [
    ...packages.map(
      (item) =>
        ({ kind: "package", item, has: known.hasPackage(item), run: () => mirrorPackage(item, add, context) }) as const,
    ),
    ...images.map(
      (item) =>
        ({ kind: "image", item, has: known.hasImage(item), run: () => mirrorImage(item, add, context) }) as const,
    ),
  ];
  const missing = work.filter(({ has }) => !has);
  await inParallel(missing, AT_ONCE, async ({ kind, item, run }) => {
    try {
      fetched.push(await run());
    } catch (error) {
      if (!(error instanceof CapstanError) || error instanceof InterruptedError) throw error;
      failed.push({ kind, name: item.name, version: item.version ?? null, problem: error.message });
    }
  });
  const index = await indexRepository(dir, context);
  return { fetched: fetched.filter(({ changed }) => changed), unchanged: work.length - missing.length, failed, index };
}

/** Enough to hide the time of a request; each of them hashes and writes as well. */
const AT_ONCE = 4;

interface Listing {
  readonly packages: readonly RemotePackage[];
  readonly images: readonly RemoteImage[];
}

async function listRemote(remote: Remote, { filters, arches }: MirrorOptions, context: Context): Promise<Listing> {
  const packages = new Map<string, RemotePackage>();
  const images = new Map<string, RemoteImage>();
  const wanted = nameFilter(filters);
  for (const arch of arches) {
    const query = { details: true, everyRelease: true, arch };
    // What says nothing of its architecture is in the list of each.
    for (const item of await remote.packages(query, context)) {
      if (wanted(item.name)) addFirst(packages, keyOf(item), item);
    }
    for (const item of await remote.images(query, context)) {
      if (wanted(item.name)) addFirst(images, keyOf(item), item);
    }
  }
  return { packages: [...packages.values()], images: [...images.values()] };
}

/** A remote may have one version in several releases: its own order says which is the one. */
function addFirst<T>(map: Map<string, T>, key: string, item: T): void {
  if (!map.has(key)) map.set(key, item);
}

function keyOf({ name, version, arch }: RemotePackage | RemoteImage): string {
  return JSON.stringify([name, version ?? "", arch ?? ""]);
}

/** Whether a name is meant by one of the filters. */
export function nameFilter(filters: readonly string[]): (name: string) => boolean {
  if (filters.length === 0) return () => true;
  const tests = filters.map((filter) => {
    if (!filter.includes("*")) return (name: string) => name.includes(filter);
    const parts = filter.split("*");
    return (name: string) => matchesParts(name, parts);
  });
  return (name) => tests.some((test) => test(name));
}

/** Without a regular expression: a pattern of many stars would keep one busy for years. */
function matchesParts(name: string, parts: readonly string[]): boolean {
  const [first = "", ...rest] = parts;
  const last = rest.pop() ?? "";
  if (!name.startsWith(first)) return false;
  let at = first.length;
  for (const part of rest) {
    const found = name.indexOf(part, at);
    if (found === -1) return false;
    at = found + part.length;
  }
  return name.length - last.length >= at && name.endsWith(last);
}
