import { type Dirent, lstatSync, readdirSync, readlinkSync, realpathSync } from "node:fs";
import { decodeName, encodeName, hasOddBytes } from "./name-bytes.ts";

/** The path as functions of node:fs take it: they would look for another one where its bytes are no UTF-8. */
export function hostPath(path: string): string | Buffer {
  return hasOddBytes(path) ? encodeName(path) : path;
}

/** The names in a folder, in the order in which the system gives them. Errors: those of readdirSync. */
export function hostNames(folder: string): string[] {
  const path = hostPath(folder);
  const names = readdirSync(path, "utf8");
  return names.some(isDoubtful) ? readdirSync(path, "buffer").map(decodeName) : names;
}

/** What is in a folder, with what it is. Errors: those of readdirSync. */
export function hostEntries(folder: string): HostEntry[] {
  const entries = readdirSync(hostPath(folder), { encoding: "utf8", withFileTypes: true });
  if (!entries.some(({ name }) => isDoubtful(name))) return entries;
  return hostNames(folder).map((name) => {
    const stats = lstatSync(hostPath(`${folder}/${name}`));
    return {
      name,
      isDirectory: () => stats.isDirectory(),
      isFile: () => stats.isFile(),
      isSymbolicLink: () => stats.isSymbolicLink(),
    };
  });
}

export type HostEntry = Pick<Dirent, "name" | "isDirectory" | "isFile" | "isSymbolicLink">;

/** Where a link leads. Errors: those of readlinkSync. */
export function hostLinkTarget(link: string): string {
  const path = hostPath(link);
  const target = readlinkSync(path, "utf8");
  return isDoubtful(target) ? decodeName(readlinkSync(path, "buffer")) : target;
}

/** The path without links in it. Errors: those of realpathSync.native. */
export function hostRealPath(asked: string): string {
  const path = hostPath(asked);
  const real = realpathSync.native(path, "utf8");
  return isDoubtful(real) ? decodeName(realpathSync.native(path, "buffer")) : real;
}

/** Node turns what is not UTF-8 into U+FFFD, but a name may really have that character: only the bytes tell. */
function isDoubtful(text: string): boolean {
  return text.includes("\ufffd");
}
