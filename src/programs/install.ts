import { createHash } from "node:crypto";
import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  lstatSync,
  openSync,
  readdirSync,
  readSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { setImmediate } from "node:timers/promises";
import type { FileEntry, FileTree, LinkEntry } from "../filesystems/filetree.ts";
import { walk } from "../filesystems/tree-walk.ts";
import { writeBeside } from "../support/atomic.ts";
import { MiB } from "../support/bytes.ts";
import type { Context } from "../support/context.ts";
import { CapstanError, checkAborted, doing, ExitCode } from "../support/errors.ts";
import { hostLinkTarget, hostPath } from "../support/host-paths.ts";
import type { RecordedFile } from "./record.ts";

export interface InstallRequest {
  /** The project, absolute. */
  readonly folder: string;
  readonly tree: FileTree;
  /** What earlier installs copied. */
  readonly recorded: ReadonlyMap<string, RecordedFile>;
  /** Of a path in the tree: where it comes from, and why. */
  readonly origin: (path: string) => Omit<RecordedFile, "digest">;
  /** What becomes of files that are there and were not copied as they are: an error, they stay, or they are replaced. */
  readonly conflicts: "refuse" | "keep" | "replace";
  readonly dryRun: boolean;
}

/** Paths in the project, with a leading slash, in order. */
export interface Installed {
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
  /** Edited in the project since they were copied: they stayed as they are. */
  readonly kept: readonly string[];
  readonly unchanged: number;
  readonly files: ReadonlyMap<string, RecordedFile>;
}

interface Wanted {
  readonly entry: FileEntry | LinkEntry;
  readonly digest: string;
}

/**
 * Copies a tree into a project: what is new or has changed, and nothing else; what was copied before and is not wanted
 * any more is removed. All is decided before the first file is written. Errors: CapstanError `exists` that names all
 * files in the way, `outside-project` for a folder that is a link, `os-…`; InterruptedError.
 */
export async function install(request: InstallRequest, context: Context): Promise<Installed> {
  const wanted = await digestTree(request.tree, context);
  const plan = compare(wanted, request);
  if (plan.kept.length > 0 && request.conflicts === "refuse") throw inTheWay(plan.kept);
  const files = new Map<string, RecordedFile>();
  for (const [path, { entry, digest }] of wanted) {
    if (isItself(entry, join(request.folder, path))) continue;
    const before = request.recorded.get(path);
    if (plan.kept.includes(path)) {
      if (before !== undefined) files.set(path, before);
    } else files.set(path, { digest, ...request.origin(path) });
  }
  if (!request.dryRun) await apply(plan, { ...request, wanted }, context);
  return { ...plan, files };
}

async function digestTree(tree: FileTree, context: Context): Promise<ReadonlyMap<string, Wanted>> {
  const wanted = new Map<string, Wanted>();
  for (const { path, entry } of walk(tree)) {
    if (entry.type === "directory") continue;
    wanted.set(path, { entry, digest: entry.type === "symlink" ? linkDigest(entry.target) : contentDigest(entry) });
    if (wanted.size % 50 === 0) {
      await setImmediate();
      checkAborted(context.signal);
    }
  }
  return wanted;
}

/** The user's own file of the project was not copied: it is not removed when it is not wanted any more. */
function isItself(entry: FileEntry | LinkEntry, path: string): boolean {
  if (entry.type !== "file" || entry.content.kind !== "host") return false;
  const there = lstatSync(hostPath(path), { throwIfNoEntry: false });
  if (there?.isFile() !== true) return false;
  const source = statSync(hostPath(entry.content.path));
  return source.dev === there.dev && source.ino === there.ino;
}

type Comparison = Omit<Installed, "files">;

function compare(wanted: ReadonlyMap<string, Wanted>, { folder, recorded, conflicts }: InstallRequest): Comparison {
  const result = { added: [] as string[], changed: [] as string[], removed: [] as string[], kept: [] as string[] };
  let unchanged = 0;
  for (const [path, { digest }] of wanted) {
    const there = digestInProject(folder, path);
    const before = recorded.get(path)?.digest;
    if (there === digest) unchanged++;
    else if (there === undefined) result.added.push(path);
    else if (there === before || conflicts === "replace") result.changed.push(path);
    else result.kept.push(path);
  }
  for (const [path, { digest }] of recorded) {
    if (wanted.has(path)) continue;
    const there = digestInProject(folder, path);
    if (there === digest || (there !== undefined && conflicts === "replace")) result.removed.push(path);
    else if (there !== undefined && conflicts === "keep") result.kept.push(path);
  }
  return { ...result, unchanged };
}

async function apply(
  plan: Comparison,
  { folder, wanted }: InstallRequest & { readonly wanted: ReadonlyMap<string, Wanted> },
  { signal }: Context,
): Promise<void> {
  for (const path of plan.removed) remove(folder, path);
  for (const path of [...plan.added, ...plan.changed]) {
    checkAborted(signal);
    const entry = wanted.get(path)?.entry;
    if (entry === undefined) continue;
    checkFolders(folder, path);
    await doing(`Writing ${join(folder, path)}`, () =>
      writeBeside(join(folder, path), (temporary) => writeEntry(temporary, entry)),
    );
  }
}

function writeEntry(path: string, entry: FileEntry | LinkEntry): void {
  if (entry.type === "symlink") {
    symlinkSync(hostPath(entry.target), hostPath(path));
    return;
  }
  const { content } = entry;
  if (content.kind === "host") copyFileSync(hostPath(content.path), hostPath(path), constants.COPYFILE_FICLONE);
  else if (content.kind === "bytes") writeFileSync(hostPath(path), content.bytes);
  else throw new TypeError("programs consist of files of this machine");
  // What is copied is the user's to change; setuid bits are for the system that it came from.
  chmodSync(hostPath(path), (entry.mode & 0o777) | 0o600);
}

/** Also the folders that become empty by it. */
function remove(folder: string, path: string): void {
  doing(`Removing ${join(folder, path)}`, () => rmSync(hostPath(join(folder, path)), { force: true }));
  for (let parent = dirname(path); parent !== "/"; parent = dirname(parent)) {
    const full = hostPath(join(folder, parent));
    if (readdirSync(full).length > 0) return;
    rmdirSync(full);
  }
}

/** A link in the way would lead out of the project. */
function checkFolders(folder: string, path: string): void {
  for (let parent = dirname(path); parent !== "/"; parent = dirname(parent)) {
    const stats = lstatSync(hostPath(join(folder, parent)), { throwIfNoEntry: false });
    if (stats === undefined || stats.isDirectory()) continue;
    throw new CapstanError(`${join(folder, parent)} is in the way: it is not a folder, and files belong below it`, {
      code: "outside-project",
      exitCode: ExitCode.cannotCreate,
      hint: "Rename or remove it.",
    });
  }
}

/** What a file of the project is recorded by; undefined where none is. */
export function digestInProject(folder: string, path: string): string | undefined {
  const full = join(folder, path);
  const stats = lstatSync(hostPath(full), { throwIfNoEntry: false });
  if (stats === undefined) return undefined;
  if (stats.isSymbolicLink()) return linkDigest(hostLinkTarget(full));
  return stats.isFile() ? fileDigest(full) : "no file";
}

function linkDigest(target: string): string {
  return `-> ${target}`;
}

function contentDigest({ content }: FileEntry): string {
  if (content.kind === "host") return fileDigest(content.path);
  if (content.kind === "bytes") return createHash("sha256").update(content.bytes).digest("hex");
  throw new TypeError("programs consist of files of this machine");
}

function fileDigest(path: string): string {
  return doing(`Reading ${path}`, () => {
    const hash = createHash("sha256");
    const buffer = Buffer.allocUnsafe(MiB);
    const descriptor = openSync(hostPath(path), "r");
    try {
      for (let count = readSync(descriptor, buffer); count > 0; count = readSync(descriptor, buffer)) {
        hash.update(buffer.subarray(0, count));
      }
    } finally {
      closeSync(descriptor);
    }
    return hash.digest("hex");
  });
}

function inTheWay(paths: readonly string[]): CapstanError {
  const [first = "", ...others] = paths;
  const more = others.length === 0 ? "" : `, and so are ${others.length} more files`;
  return new CapstanError(`${first} is in the project already, with other content${more}`, {
    code: "exists",
    exitCode: ExitCode.cannotCreate,
    details: others.slice(0, 20),
    hint: "Move it away, or replace it with --force.",
  });
}
