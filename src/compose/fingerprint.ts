import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import { openDisk } from "../disks/probe.ts";
import type { FileTree } from "../filesystems/filetree.ts";
import { walk } from "../filesystems/tree-walk.ts";
import { readImageIndex } from "../store/image-index.ts";
import { findImage } from "../store/images.ts";
import { imagePaths, type Layout } from "../store/layout.ts";
import type { Loader } from "../store/loaders.ts";
import { checkImageName } from "../store/names.ts";
import { CapstanError } from "../support/errors.ts";
import type { HostEntryCallback } from "./merge.ts";
import type { Plan } from "./plan.ts";

/** Raised when the same inputs come to make another image. */
const FORMAT = "1";

/**
 * Collects what the host tells of the project's files without reading them: a file that was written to has another
 * change time (ctime), which no program can set back.
 */
export class HostFingerprint {
  readonly #lines: string[] = [];

  readonly add: HostEntryCallback = (path, stats) => {
    this.#lines.push(`${path}\0${stats.mode}\0${stats.ino}\0${stats.size}\0${stats.mtimeMs}\0${stats.ctimeMs}\n`);
  };

  /** The order in which a folder lists its entries is no part of it. */
  digest(): string {
    const hash = createHash("sha256");
    for (const line of this.#lines.sort()) hash.update(line);
    return hash.digest("hex");
  }
}

/** The same for a tree that was put together from many places: of each file, its name and where its bytes lie. */
export function treeDigest(tree: FileTree): string {
  const hash = createHash("sha256");
  for (const { path, entry } of walk(tree)) {
    hash.update(`${path}\0${entry.type}\0${entry.mode}\0`);
    if (entry.type === "symlink") hash.update(entry.target);
    if (entry.type !== "file") continue;
    const { content } = entry;
    if (content.kind === "host") hash.update(fileIdentity(content.path));
    else if (content.kind === "bytes") hash.update(content.bytes);
    else throw new TypeError(`${path} lies neither on this machine nor in memory`);
  }
  return hash.digest("hex");
}

export interface FingerprintParts {
  readonly plan: Plan;
  readonly loader: Loader;
  readonly commandLine: string;
  /** Of the root file system: `rootIdentity`. */
  readonly root: string;
  /** Of the project's own files. */
  readonly own: string;
}

/** A digest of everything that an image is made from: equal inputs make an equal image. */
export function fingerprint({ plan, loader, commandLine, root, own }: FingerprintParts): string {
  const hash = createHash("sha256");
  const add = (...parts: readonly string[]) => hash.update(`${JSON.stringify(parts)}\n`);
  add("format", FORMAT);
  add("loader", fileIdentity(loader.image));
  if (loader.kernel !== undefined) add("kernel", fileIdentity(loader.kernel));
  add("command line", commandLine);
  add("root", root);
  for (const { name, archive } of plan.packages) add("package", name, fileIdentity(archive));
  for (const { scriptPath, text } of plan.scripts) add("script", scriptPath, text);
  add("base", String(plan.hasBase));
  add("project", plan.project.dir, own);
  return hash.digest("hex");
}

/** Another one when the file was replaced or written to. */
export function fileIdentity(path: string): string {
  const stats = statSync(path);
  return `${path}:${stats.ino}:${stats.size}:${stats.mtimeMs}:${stats.ctimeMs}`;
}

export interface StoredFingerprint {
  readonly inputs: string;
  readonly path: string;
  readonly virtualSize: number;
}

/** What the image of the store was made from; undefined when there is none, or it cannot be known. */
export function storedFingerprint(layout: Layout, name: string): StoredFingerprint | undefined {
  try {
    const { path } = findImage(layout, name);
    const { inputs } = readImageIndex(imagePaths(layout, checkImageName(name)).index);
    if (inputs === undefined) return undefined;
    const disk = openDisk(path);
    try {
      return { inputs, path, virtualSize: disk.device.size };
    } finally {
      disk.close();
    }
  } catch (error) {
    if (error instanceof CapstanError) return undefined;
    throw error;
  }
}
