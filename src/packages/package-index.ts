import type { ContentStream, FileTree } from "../filesystems/filetree.ts";
import { createTree, insert } from "../filesystems/tree-builder.ts";
import { type PackageManifest, parseManifest } from "../project/manifest.ts";
import { parseRunConfig, type RunConfig } from "../project/run-config.ts";
import { decodeText } from "../project/text-file.ts";
import type { Context } from "../support/context.ts";
import { CapstanError } from "../support/errors.ts";
import { readCachedIndex, writeCachedIndex } from "./index-cache.ts";
import { unpackLimit } from "./limits.ts";
import {
  archiveIdentity,
  changedError,
  type FileIdentity,
  hasCleanTail,
  readArchive,
  sameIdentity,
} from "./tar/archive.ts";
import { type ArrivingArchive, arrivingArchive } from "./tar/arriving.ts";
import type { ArchiveEntry } from "./tar/entries.ts";
import { readTar, type TarIndex, type TarReadOptions } from "./tar/reader.ts";

/** What is in a package: all but the contents of its files, which stay in the archive. */
export interface PackageIndex {
  /** Of the archive, an .mpm file. */
  readonly path: string;
  /** The state of the archive that this describes. */
  readonly identity: FileIdentity;
  /** Each path once; those below `meta` as well. */
  readonly entries: readonly ArchiveEntry[];
  /** Paths that stand in the archive more than once; the last one counts. */
  readonly repeated: readonly string[];
  /** The text of meta/package.yaml; undefined in packages that have only one beside the archive. */
  readonly manifestText: string | undefined;
  /** The text of meta/run.yaml. */
  readonly runConfigText: string | undefined;
  /** The text of meta/README.md. */
  readonly readmeText: string | undefined;
}

export interface PackageIndexOptions {
  /** Where indexes are kept from one time to the next, so that the archive need not be unpacked for them again. */
  readonly cacheFolder?: string | undefined;
  readonly context: IndexContext;
}

/** Its environment may set another limit than that of `unpackLimit`. */
export type IndexContext = Pick<Context, "signal" | "reporter"> & Partial<Pick<Context, "env">>;

/**
 * Reads what is in a package. With a cache this unpacks nothing if it was done before and the archive is unchanged.
 * Errors: CapstanError `archive-…`, each naming the archive, and the entry where there is one.
 */
export async function readPackageIndex(path: string, options: PackageIndexOptions): Promise<PackageIndex> {
  const { cacheFolder, context } = options;
  const identity = await archiveIdentity(path);
  const cached = cacheFolder === undefined ? undefined : readCachedIndex(cacheFolder, { path, identity });
  if (cached !== undefined) return cached;
  const index = await unpackIndex(path, identity, context);
  if (cacheFolder !== undefined) rememberPackageIndex(cacheFolder, index, context);
  return index;
}

/** Makes the index of a package while it is fetched. */
export interface ArrivingIndex extends Pick<ArrivingArchive, "restart" | "take" | "close"> {
  /** Of the archive in its place; undefined where it has to be read from there, since not all of it was seen or it is not right. */
  indexOf(path: string): Promise<PackageIndex | undefined>;
}

export function arrivingIndex(context: IndexContext): ArrivingIndex {
  const { signal, reporter } = context;
  const archive = arrivingArchive(tarOptions("the archive that is fetched", context));
  return {
    restart: () => archive.restart(),
    take: (bytes) => archive.take(bytes),
    close: () => archive.close(),
    async indexOf(path) {
      const arrived = await archive.finish();
      if (arrived === undefined || signal.aborted) return undefined;
      const identity = await archiveIdentity(path);
      const isWhole = identity.size === arrived.size && (await hasCleanTail(path, arrived.compressed));
      return isWhole ? indexOfTar(arrived.tar, { path, identity }, reporter) : undefined;
    },
  };
}

/** Keeps an index for the next time. That this fails (a full disk, a store that may only be read) is no error. */
export function rememberPackageIndex(
  cacheFolder: string,
  index: PackageIndex,
  { reporter }: Pick<Context, "reporter">,
): void {
  try {
    writeCachedIndex(cacheFolder, index);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    reporter.report({ kind: "detail", text: `The index of ${index.path} is not kept: ${reason}` });
  }
}

/** The manifest inside the package; an error when there is none. */
export function packageManifest(index: PackageIndex): PackageManifest {
  if (index.manifestText === undefined) {
    throw new CapstanError(`${index.path} is not a package: it has no meta/package.yaml`, {
      code: "package-without-manifest",
      hint: "Make packages with 'capstan package build', in a folder with a meta/package.yaml.",
    });
  }
  return parseManifest(index.manifestText, { name: `${index.path}: ${MANIFEST}`, foreign: true });
}

/** The configuration sets that the package brings; undefined when it has none. `name` is what messages call the package. */
export function packageRunConfig(index: PackageIndex, name: string): RunConfig | undefined {
  const text = index.runConfigText;
  return text === undefined ? undefined : parseRunConfig(text, { name: `${name}: meta/run.yaml`, foreign: true });
}

/**
 * The content of a package as it goes into an image: without its meta directory, the bytes of its files being extents
 * of the archive. `origin` is what messages call the package.
 */
export function packageTree(index: PackageIndex, origin: string): FileTree {
  const tree = createTree();
  const stream = packageStream(index);
  for (const entry of index.entries) {
    if (entry.path === META || entry.path.startsWith(`${META}/`)) continue;
    const { mode, mtime } = entry;
    const common = { mode, mtime, origin };
    switch (entry.type) {
      case "directory":
        insert(tree, entry.path, { ...common, type: "directory", children: new Map() });
        break;
      case "symlink":
        insert(tree, entry.path, { ...common, type: "symlink", target: entry.target });
        break;
      case "file": {
        const content = { kind: "extent", stream, offset: entry.offset } as const;
        insert(tree, entry.path, { ...common, type: "file", size: entry.size, content });
      }
    }
  }
  return tree;
}

/** The uncompressed archive; opening it fails when the file is not the one any more that the index describes. */
export function packageStream({ path, identity }: Pick<PackageIndex, "path" | "identity">): ContentStream {
  return { name: path, open: (signal) => readArchive(path, { signal, expected: identity }) };
}

const META = "meta";
const MANIFEST = "meta/package.yaml";
const RUN_CONFIG = "meta/run.yaml";
const README = "meta/README.md";
const WANTED = new Set([MANIFEST, RUN_CONFIG, README]);

async function unpackIndex(path: string, identity: FileIdentity, context: IndexContext): Promise<PackageIndex> {
  const chunks = readArchive(path, { signal: context.signal, expected: identity });
  const tar = await readTar(chunks, tarOptions(path, context));
  if (!sameIdentity(await archiveIdentity(path), identity)) throw changedError(path);
  return indexOfTar(tar, { path, identity }, context.reporter);
}

function tarOptions(name: string, context: IndexContext): TarReadOptions {
  return { name, wanted: (entry) => WANTED.has(entry), limits: { totalSize: unpackLimit(context) } };
}

function indexOfTar(
  tar: TarIndex,
  { path, identity }: Pick<PackageIndex, "path" | "identity">,
  reporter: Context["reporter"],
): PackageIndex {
  for (const repeated of tar.repeated.slice(0, 20)) {
    reporter.report({ kind: "detail", text: `${path}: '/${repeated}' is in it more than once; the last one counts` });
  }
  return {
    path,
    identity,
    entries: tar.entries,
    repeated: tar.repeated,
    manifestText: textOf(tar, path, MANIFEST),
    runConfigText: textOf(tar, path, RUN_CONFIG),
    readmeText: textOf(tar, path, README),
  };
}

function textOf(tar: TarIndex, archive: string, path: string): string | undefined {
  const content = tar.contents.get(path);
  if (content !== undefined) return decodeText(content, `${archive}: ${path}`);
  if (!tar.entries.some((entry) => entry.path === path && entry.type !== "directory")) return undefined;
  throw new CapstanError(`${archive}: '/${path}' is a link`, {
    code: "archive-unsafe-entry",
    hint: "Build the package again with a plain file there.",
  });
}
