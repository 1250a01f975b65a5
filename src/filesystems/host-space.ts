import { closeSync, constants, fstatSync, openSync, readSync, type Stats, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { isErrno } from "../support/errors.ts";
import { hostLinkTarget, hostNames, hostPath, hostRealPath } from "../support/host-paths.ts";
import { type FileSpace, type FoundFile, notAFile, type OpenFile } from "./file-space.ts";
import { hostError } from "./host-error.ts";
import { sortByBytes } from "./names.ts";

/**
 * A folder of this machine as a root, such as a system that was unpacked for another architecture; "/" is the machine itself.
 * What may not be read is not there, as for the program that looks for it. Errors: CapstanError `os-…` when files are opened.
 */
export function hostSpace(root = "/"): FileSpace {
  const top = resolve(root);
  const find = top === "/" ? findOnMachine : (path: string) => findBelow(top, path);
  return {
    name: top,
    find,
    list: (path) => {
      const found = find(path);
      if (found?.type !== "directory" || found.hostPath === undefined) return undefined;
      return quietly(() => sortByBytes(hostNames(found.hostPath ?? "")));
    },
    readLink: (path) => {
      const at = path.lastIndexOf("/");
      const folder = find(path.slice(0, at) || "/");
      if (folder?.hostPath === undefined) return undefined;
      return quietly(() => hostLinkTarget(join(folder.hostPath ?? "", path.slice(at + 1))));
    },
  };
}

/** Opens a regular file of this machine for reading at any place. Errors: CapstanError `os-…`, `not-a-file`. */
export function openHostFile(path: string): OpenFile {
  try {
    // Without O_NONBLOCK, a FIFO would wait for a writer.
    const descriptor = openSync(hostPath(path), constants.O_RDONLY | constants.O_NONBLOCK);
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) {
      closeSync(descriptor);
      throw notAFile(path);
    }
    return {
      size: stats.size,
      read: (target, offset) => readFully(descriptor, { target, offset, path }),
      close: () => closeSync(descriptor),
    };
  } catch (error) {
    throw hostError(error, path);
  }
}

interface Reading {
  readonly target: Uint8Array;
  readonly offset: number;
  readonly path: string;
}

function readFully(descriptor: number, { target, offset, path }: Reading): void {
  try {
    for (let done = 0; done < target.length; ) {
      const count = readSync(descriptor, target, done, target.length - done, offset + done);
      if (count === 0) throw new RangeError(`${path} ends at byte ${offset + done}`);
      done += count;
    }
  } catch (error) {
    throw hostError(error, path);
  }
}

function findOnMachine(path: string): FoundFile | undefined {
  return quietly(() => {
    const stats = statSync(hostPath(path), { throwIfNoEntry: false });
    return stats === undefined ? undefined : found(hostRealPath(path), { stats, root: "" });
  });
}

/** MAXSYMLINKS of Linux: path_resolution(7). */
const MAX_HOPS = 40;

/** Follows links by hand: the kernel would follow absolute ones out of the root. */
function findBelow(root: string, path: string): FoundFile | undefined {
  let real = "";
  let hops = 0;
  const rest = path.split("/").reverse();
  for (let name = rest.pop(); name !== undefined; name = rest.pop()) {
    if (name === "" || name === ".") continue;
    if (name === "..") {
      real = real.slice(0, Math.max(0, real.lastIndexOf("/")));
      continue;
    }
    const next = `${real}/${name}`;
    const target = quietly(() => hostLinkTarget(root + next));
    if (target === undefined) {
      real = next;
      continue;
    }
    if (++hops > MAX_HOPS) return undefined;
    if (target.startsWith("/")) real = "";
    rest.push(...target.split("/").reverse());
  }
  const stats = quietly(() => statSync(hostPath(root + (real || "/")), { throwIfNoEntry: false }));
  return stats && found(real || "/", { stats, root });
}

function found(realPath: string, { stats, root }: { readonly stats: Stats; readonly root: string }): FoundFile {
  const path = root + realPath;
  return {
    type: stats.isFile() ? "file" : stats.isDirectory() ? "directory" : "other",
    realPath,
    size: stats.isFile() ? stats.size : 0,
    mode: stats.mode & 0o7777,
    mtime: Math.floor(stats.mtimeMs / 1000),
    hostPath: path,
    open: () => openHostFile(path),
  };
}

/** What cannot be reached is not there. */
function quietly<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "EACCES", "EPERM", "ELOOP", "EINVAL", "ENAMETOOLONG")) return undefined;
    throw error;
  }
}
