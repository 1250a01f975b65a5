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

/** Whether a path is under the directories that belong to a system, and so keeps its place in an image. */
export function isSystemPath(path: string): boolean {
  return SYSTEM.test(path);
}

/** The Filesystem Hierarchy Standard 3.0, sections 3 and 4. */
const SYSTEM = /^\/(?:bin|sbin|lib[0-9a-z]*|usr|opt|etc|var)(?:\/|$)/;
