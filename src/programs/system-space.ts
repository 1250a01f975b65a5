import { posix } from "node:path";
import type { FileSpace } from "../filesystems/file-space.ts";
import { hostSpace } from "../filesystems/host-space.ts";

/**
 * Where programs and libraries are taken from: this machine, or the folder of another system (`--sysroot`). A user's own
 * program lies beside such a system and not in it, so what is under none of a system's own directories is looked for on
 * this machine as well.
 */
export function systemSpace(sysroot: string | undefined): FileSpace {
  const machine = hostSpace("/");
  if (sysroot === undefined) return machine;
  const system = hostSpace(sysroot);
  const beside = (path: string) => (isSystemPath(path) ? undefined : machine);
  return {
    name: system.name,
    find: (path) => system.find(path) ?? beside(path)?.find(path),
    list: (path) => system.list(path) ?? beside(path)?.list(path),
    readLink: (path) => system.readLink(path) ?? beside(path)?.readLink(path),
  };
}

/** The file that another system has at a path, links followed inside it. */
export function fileOfSystem(path: string, sysroot: string | undefined): FileOfSystem | undefined {
  if (sysroot === undefined) return undefined;
  const system = hostSpace(sysroot);
  const found = system.find(path);
  if (found?.type !== "file" || found.hostPath === undefined) return undefined;
  return { named: posix.join(system.name, path), hostPath: found.hostPath };
}

/** Both on this machine. */
export interface FileOfSystem {
  /** By the path that was asked for: its last part is the name that a program goes by. */
  readonly named: string;
  /** Free of links, which seen from this machine may lead out of the system. */
  readonly hostPath: string;
}

/** Whether a path is under the directories that belong to a system, and so keeps its place in an image. */
export function isSystemPath(path: string): boolean {
  return SYSTEM.test(path);
}

/** Whether the guest mounts a file system of its own over this place of the image, and never sees what lies there. */
export function isMountedOver(target: string): boolean {
  return /^\/(?:tmp|dev|proc|sys)(?:\/|$)/.test(target);
}

/** The Filesystem Hierarchy Standard 3.0, sections 3 and 4. */
const SYSTEM = /^\/(?:bin|sbin|lib[0-9a-z]*|usr|opt|etc|var)(?:\/|$)/;
