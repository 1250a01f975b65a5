import type { FileSpace } from "../filesystems/file-space.ts";

const MERGED = /^\/(?:usr\/)?((?:s?bin|lib|lib32|lib64|libx32)\/.*)$/;

/**
 * The names under which records may know a file. Where /lib is a link to /usr/lib, packages that are older than the link
 * list /lib/… for what lies in /usr/lib/…, and the other way round.
 */
export function recordedNames(space: FileSpace, path: string): readonly string[] {
  const real = space.find(path)?.realPath;
  const names = [path, ...(real === undefined ? [] : [real])].flatMap((name) => {
    const below = MERGED.exec(name)?.[1];
    return below === undefined ? [name] : [name, `/${below}`, `/usr/${below}`];
  });
  return [...new Set(names)];
}
