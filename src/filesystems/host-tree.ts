import { lstatSync, type Stats, statSync } from "node:fs";
import { basename, isAbsolute, resolve, sep } from "node:path";
import { setImmediate } from "node:timers/promises";
import { CapstanError, checkAborted, isErrno } from "../support/errors.ts";
import { hostLinkTarget, hostNames, hostPath, hostRealPath } from "../support/host-paths.ts";
import type { DirectoryEntry, FileTree, TreeEntry } from "./filetree.ts";
import { hostError } from "./host-error.ts";
import { linkTargetFault, quotePath } from "./names.ts";

export interface HostTreeOptions {
  /** Absolute; what a relative root is resolved against. */
  readonly cwd?: string | undefined;
  /** For messages: which package or project the entries belong to. */
  readonly origin: string;
  /** Whether to leave out an entry, with all below it: its path from the root, "a/b", without a leading slash. */
  readonly ignore?: ((path: string, isDirectory: boolean) => boolean) | undefined;
  /** Told of each entry that was left out. */
  readonly onSkip?: ((path: string, isDirectory: boolean) => void) | undefined;
  /**
   * Told of each entry that was taken: its path from the root, and what the host says of it. They come in an order that
   * depends on the paths alone.
   */
  readonly onEntry?: ((path: string, stats: Stats) => void) | undefined;
  /** Whether a root that is a link stands for what it leads to (default), or is stored as the link it is. */
  readonly followRootLink?: boolean | undefined;
  /** See FollowLinks; default "never". */
  readonly followLinks?: FollowLinks | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * What becomes of the links below the root:
 * - never: stored as they say, whatever they lead to;
 * - inside: those that lead to something within the root become what they lead to, all others are stored as they say;
 * - all: those that lead to anything become what they lead to, wherever that is; dangling ones are stored as they say.
 */
export type FollowLinks = "never" | "inside" | "all";

/**
 * A folder of the host as a tree; a single file becomes a tree with this one file. Contents are not read,
 * only looked at: their bytes stay at the host's paths.
 *
 * Errors, each naming the path: CapstanError `os-…` for what cannot be read, `unsupported-file-type` for FIFOs, sockets
 * and devices, `link-cycle`; InterruptedError.
 */
export async function treeFromHost(root: string, options: HostTreeOptions): Promise<FileTree> {
  const path = options.cwd === undefined ? root : resolve(options.cwd, root);
  if (!isAbsolute(path)) throw new TypeError(`a relative root needs a cwd: ${root}`);
  const top = resolve(path);
  const stats = statHost(top, options.followRootLink ?? true);
  if (stats.isDirectory()) return new HostWalk(top, options).folder(stats);
  const tree: FileTree = {
    type: "directory",
    mode: 0o755,
    mtime: 0,
    origin: options.origin,
    implied: true,
    children: new Map(),
  };
  tree.children.set(basename(top), leaf({ path: stats.isFile() ? realPath(top) : top, stats, origin: options.origin }));
  return tree;
}

/** As many entries are looked at before the event loop gets its turn. */
const ENTRIES_BETWEEN_TURNS = 1000;

interface OpenFolder {
  readonly directory: DirectoryEntry;
  /** On the host. */
  readonly path: string;
  /** From the root: "" or "a/b/". */
  readonly prefix: string;
  /** Of this folder and those above it; only kept where links are followed, to see circles. */
  readonly realPaths: readonly string[];
}

class HostWalk {
  readonly #root: string;
  readonly #options: HostTreeOptions;
  readonly #follow: FollowLinks;
  readonly #realRoot: string;
  readonly #pending: OpenFolder[] = [];
  #entries = 0;

  constructor(root: string, options: HostTreeOptions) {
    this.#root = root;
    this.#options = options;
    this.#follow = options.followLinks ?? "never";
    this.#realRoot = this.#follow === "never" ? root : realPath(root);
  }

  async folder(stats: Stats): Promise<FileTree> {
    const tree = this.#directory(stats);
    this.#pending.push({ directory: tree, path: this.#root, prefix: "", realPaths: [this.#realRoot] });
    for (let folder = this.#pending.pop(); folder !== undefined; folder = this.#pending.pop()) {
      await this.#children(folder);
    }
    return tree;
  }

  async #children(folder: OpenFolder): Promise<void> {
    const base = folder.path.endsWith(sep) ? folder.path : folder.path + sep;
    for (const name of namesIn(folder.path)) {
      if (++this.#entries % ENTRIES_BETWEEN_TURNS === 0) {
        await setImmediate();
        checkAborted(this.#options.signal);
      }
      this.#child(folder, { name, path: base + name });
    }
  }

  #child(folder: OpenFolder, { name, path }: { name: string; path: string }): void {
    const relative = folder.prefix + name;
    const stats = statHost(path, false);
    if (this.#options.ignore?.(relative, stats.isDirectory())) {
      this.#options.onSkip?.(relative, stats.isDirectory());
      return;
    }
    if (stats.isFile()) {
      this.#options.onEntry?.(relative, stats);
      folder.directory.children.set(name, leaf({ path, stats, origin: this.#options.origin }));
      return;
    }
    const found = stats.isSymbolicLink() ? this.#behind(path, stats) : { path, stats };
    this.#options.onEntry?.(relative, found.stats);
    folder.directory.children.set(name, this.#entry(folder, { ...found, relative, asked: path }));
  }

  #entry(folder: OpenFolder, found: FoundEntry): TreeEntry {
    const { path, stats } = found;
    if (!stats.isDirectory()) return leaf({ path, stats, origin: this.#options.origin });
    const realPaths = this.#follow === "never" ? folder.realPaths : this.#extend(folder, found);
    const directory = this.#directory(stats);
    this.#pending.push({ directory, path, prefix: `${found.relative}/`, realPaths });
    return directory;
  }

  /** The link itself, or what it leads to when that is wanted. */
  #behind(path: string, stats: Stats): { path: string; stats: Stats } {
    if (this.#follow === "never") return { path, stats };
    try {
      const target = hostRealPath(path);
      return this.#follow === "all" || this.#isInside(target)
        ? { path: target, stats: lstatSync(hostPath(target)) }
        : { path, stats };
    } catch (error) {
      if (isErrno(error, "ENOENT", "ENOTDIR", "ELOOP")) return { path, stats };
      throw hostError(error, path);
    }
  }

  #isInside(target: string): boolean {
    return (
      target === this.#realRoot ||
      target.startsWith(this.#realRoot.endsWith(sep) ? this.#realRoot : this.#realRoot + sep)
    );
  }

  #extend(folder: OpenFolder, { path, asked }: FoundEntry): readonly string[] {
    const real = realPath(path);
    if (!folder.realPaths.includes(real)) return [...folder.realPaths, real];
    throw new CapstanError(`${quotePath(asked)} is a link to a folder that it lies in, ${quotePath(real)}`, {
      code: "link-cycle",
      hint: "Remove the link, leave it out, or do not follow links.",
    });
  }

  #directory(stats: Stats): DirectoryEntry {
    return { type: "directory", ...attributes(stats, this.#options.origin), children: new Map() };
  }
}

interface FoundEntry {
  /** Where it is read. */
  readonly path: string;
  readonly stats: Stats;
  /** From the root. */
  readonly relative: string;
  /** Where it was found: differs from `path` behind a link. */
  readonly asked: string;
}

/** A file or link. */
function leaf({ path, stats, origin }: { path: string; stats: Stats; origin: string }): TreeEntry {
  if (stats.isFile()) {
    const { ino, size, mtimeMs, ctimeMs } = stats;
    const content = { kind: "host", path, stamp: { ino, mtimeMs, ctimeMs } } as const;
    // Spelled out: there are hundreds of thousands of them.
    const mode = stats.mode & 0o7777;
    const mtime = Math.floor(mtimeMs / 1000);
    if (stats.nlink === 1) return { type: "file", mode, mtime, origin, size, content };
    return { type: "file", mode, mtime, origin, size, content, hardLink: `${stats.dev}:${ino}` };
  }
  if (stats.isSymbolicLink()) return { type: "symlink", ...attributes(stats, origin), target: targetOf(path) };
  throw new CapstanError(`${quotePath(path)} is a ${kindOf(stats)}, which no image can hold`, {
    code: "unsupported-file-type",
    hint: "Remove it, or leave it out with .capstanignore.",
  });
}

function attributes(stats: Stats, origin: string): { mode: number; mtime: number; origin: string } {
  return { mode: stats.mode & 0o7777, mtime: Math.floor(stats.mtimeMs / 1000), origin };
}

function kindOf(stats: Stats): string {
  if (stats.isFIFO()) return "FIFO";
  if (stats.isSocket()) return "socket";
  if (stats.isBlockDevice()) return "block device";
  return stats.isCharacterDevice() ? "character device" : "file of an unknown type";
}

function statHost(path: string, follow: boolean): Stats {
  try {
    return follow ? statSync(hostPath(path)) : lstatSync(hostPath(path));
  } catch (error) {
    throw hostError(error, path);
  }
}

function namesIn(folder: string): string[] {
  try {
    return hostNames(folder).sort();
  } catch (error) {
    throw hostError(error, folder);
  }
}

function targetOf(path: string): string {
  try {
    const target = hostLinkTarget(path);
    const fault = linkTargetFault(target);
    if (fault !== undefined) throw new CapstanError(`${quotePath(path)} is a bad link: ${fault}`, { code: "bad-link" });
    return target;
  } catch (error) {
    throw hostError(error, path);
  }
}

function realPath(path: string): string {
  try {
    return hostRealPath(path);
  } catch (error) {
    throw hostError(error, path);
  }
}
