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
import { hostPath } from "../support/host-paths.ts";
import { encodeName } from "../support/name-bytes.ts";
import type { HostEntryCallback } from "./merge.ts";
import type { Plan } from "./plan.ts";

/** Raised when the same inputs come to make another image, or the digest another way. */
const FORMAT = "2";
/** So many entries are hashed together. */
const BATCH = 1000;
const NUMBERS = 5;

/**
 * Collects what the host tells of the project's files without reading them: a file that was written to has another
 * change time (ctime), which no program can set back.
 */
export class HostFingerprint {
  readonly #hash = createHash("sha256");
  readonly #numbers = new Float64Array(BATCH * NUMBERS);
  #paths: string[] = [];

  readonly add: HostEntryCallback = (path, { mode, ino, size, mtimeMs, ctimeMs }) => {
    const at = this.#paths.length * NUMBERS;
    this.#numbers[at] = mode;
    this.#numbers[at + 1] = ino;
    this.#numbers[at + 2] = size;
    this.#numbers[at + 3] = mtimeMs;
    this.#numbers[at + 4] = ctimeMs;
    if (this.#paths.push(path) === BATCH) this.#endBatch();
  };

  /** Once, at the end. Entries come in an order that depends on their paths alone. */
  digest(): string {
    this.#endBatch();
    return this.#hash.digest("hex");
  }

  #endBatch(): void {
    const count = this.#paths.length;
    this.#hash.update(encodeName(`${count}\0${this.#paths.join("\0")}\0`));
    this.#hash.update(this.#numbers.subarray(0, count * NUMBERS));
    this.#paths = [];
  }
}

/** The same for a tree that was put together from many places: of each file, its name and where its bytes lie. */
export function treeDigest(tree: FileTree): string {
  const hash = createHash("sha256");
  for (const { path, entry } of walk(tree)) {
    hash.update(encodeName(`${path}\0${entry.type}\0${entry.mode}\0`));
    if (entry.type === "symlink") hash.update(encodeName(entry.target));
    if (entry.type !== "file") continue;
    const { content } = entry;
    if (content.kind === "host") hash.update(encodeName(fileIdentity(content.path)));
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
  const stats = statSync(hostPath(path));
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
