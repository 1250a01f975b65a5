import { lstatSync } from "node:fs";
import { join, posix } from "node:path";
import type { FileSpace } from "../../filesystems/file-space.ts";
import { hostError } from "../../filesystems/host-error.ts";
import { isErrno } from "../../support/errors.ts";
import { hostEntries, hostLinkTarget, hostPath } from "../../support/host-paths.ts";
import type { Part, PartRole, Trimmed } from "../application.ts";

/** Files of a folder that hardly any program wants. */
export interface TrimRule {
  /** A phrase: "tests", "header files". */
  readonly what: string;
  /** Nobody would look for them in the image. */
  readonly isSilent?: boolean;
  /** `path` is relative to the folder: "a/b". */
  readonly matches: (path: string, isDirectory: boolean) => boolean;
}

export type FolderPart = Extract<Part, { readonly kind: "folder" }>;

export interface SurveyRequest {
  readonly space: FileSpace;
  readonly sourceSpace: "system" | "user";
  /** Path in the space. */
  readonly folder: string;
  /** In the image. */
  readonly target: string;
  readonly role: PartRole;
  readonly neededBy: string;
  /** Leave empty to take all. */
  readonly rules?: readonly TrimRule[] | undefined;
}

export interface Survey {
  readonly folder: FolderPart;
  /** What links in it lead to outside. */
  readonly outside: readonly Part[];
  readonly trimmed: readonly Trimmed[];
  /** Relative paths of the regular files that stay, in no order to rely on. */
  readonly files: readonly string[];
  /** Paths in the space of the shared objects among them. */
  readonly objects: readonly string[];
}

/**
 * Looks through a folder that goes into the image: what of it is trimmed, which shared objects are in it, and what its links
 * lead to beyond it, which goes in as well. Undefined where there is no such folder. Error: CapstanError `os-…`.
 */
export function surveyFolder(request: SurveyRequest): Survey | undefined {
  return survey(request, new Set());
}

/** Puts together what several folders gave. */
export function joinTrimmed(lists: readonly (readonly Trimmed[])[]): Trimmed[] {
  const sums = new Map<string, Trimmed>();
  for (const { what, files, bytes } of lists.flat()) {
    const sum = sums.get(what) ?? { what, files: 0, bytes: 0 };
    sums.set(what, { what, files: sum.files + files, bytes: sum.bytes + bytes });
  }
  return [...sums.values()];
}

function survey(request: SurveyRequest, seen: Set<string>): Survey | undefined {
  const { space, folder, target, rules = [] } = request;
  const found = space.find(folder);
  if (found?.type !== "directory" || found.hostPath === undefined) return undefined;
  seen.add(found.realPath);
  const walk = walkFolder(found.hostPath, rules);
  const skip = (path: string, isDirectory: boolean) => rules.some((rule) => rule.matches(path, isDirectory));
  const part: FolderPart = {
    kind: "folder",
    target,
    source: folder,
    sourceSpace: request.sourceSpace,
    role: request.role,
    neededBy: request.neededBy,
    ...(rules.length > 0 ? { skip } : {}),
  };
  const outside = walk.links.flatMap((link) => behindLink(link, { request, realFolder: found.realPath, seen }));
  return {
    folder: part,
    outside: outside.flatMap(({ parts }) => parts),
    trimmed: joinTrimmed([walk.trimmed, ...outside.map(({ trimmed }) => trimmed)]),
    files: walk.files,
    objects: [
      ...walk.files.filter((path) => SHARED_OBJECT.test(path)).map((path) => posix.join(folder, path)),
      ...outside.flatMap(({ objects }) => objects),
    ],
  };
}

interface Walk {
  readonly files: string[];
  readonly links: { readonly path: string; readonly to: string }[];
  readonly trimmed: Trimmed[];
}

function walkFolder(root: string, rules: readonly TrimRule[]): Walk {
  const walk: Walk = { files: [], links: [], trimmed: [] };
  const sums = rules.map(({ what }) => ({ what, files: 0, bytes: 0 }));
  const pending: { readonly path: string; readonly rule: number }[] = [{ path: "", rule: -1 }];
  for (let folder = pending.pop(); folder !== undefined; folder = pending.pop()) {
    for (const entry of entriesOf(join(root, folder.path), folder.path === "")) {
      const path = folder.path === "" ? entry.name : `${folder.path}/${entry.name}`;
      const isDirectory = entry.isDirectory();
      const rule = folder.rule >= 0 ? folder.rule : rules.findIndex((one) => one.matches(path, isDirectory));
      const sum = sums[rule];
      if (isDirectory) pending.push({ path, rule });
      else if (sum !== undefined) {
        sum.files++;
        sum.bytes += sizeOf(join(root, path));
      } else if (entry.isFile()) walk.files.push(path);
      else if (entry.isSymbolicLink()) walk.links.push({ path, to: hostLinkTarget(join(root, path)) });
    }
  }
  walk.trimmed.push(...sums.filter(({ files }, index) => files > 0 && rules[index]?.isSilent !== true));
  return walk;
}

/** A folder below that may not be read is told of when the image is composed, with its path. */
function entriesOf(path: string, isRoot: boolean) {
  try {
    return hostEntries(path);
  } catch (error) {
    if (!isRoot && isErrno(error, "EACCES", "EPERM", "ENOENT")) return [];
    throw hostError(error, path);
  }
}

function sizeOf(path: string): number {
  const stats = lstatSync(hostPath(path), { throwIfNoEntry: false });
  return stats?.isFile() ? stats.size : 0;
}

type Outside = Pick<Survey, "trimmed" | "objects"> & { readonly parts: readonly Part[] };

interface LinkContext {
  readonly request: SurveyRequest;
  readonly realFolder: string;
  readonly seen: Set<string>;
}

/** What a link leads to that lies outside its folder, at the place in the image where the link will look for it. */
function behindLink(
  { path, to }: { readonly path: string; readonly to: string },
  { request, realFolder, seen }: LinkContext,
): Outside[] {
  const { space, folder, target } = request;
  const source = posix.resolve(folder, posix.dirname(path), to);
  const place = posix.resolve(target, posix.dirname(path), to);
  if (isWithin(source, folder) && isWithin(place, target)) return [];
  const found = space.find(source);
  if (found === undefined || seen.has(found.realPath) || seen.size > MOST_FOLDERS) return [];
  // A link up to a folder that holds this one would bring in everything.
  if (isWithin(realFolder, found.realPath) || NO_FILES.some((top) => isWithin(source, top))) return [];
  if (found.type === "directory") {
    const below = survey({ ...request, folder: source, target: place }, seen);
    return below === undefined ? [] : [{ ...below, parts: [below.folder, ...below.outside] }];
  }
  if (found.type !== "file") return [];
  const { sourceSpace, role, neededBy } = request;
  const part: Part = { kind: "file", target: place, source, sourceSpace, role, neededBy };
  return [{ parts: [part], trimmed: [], objects: SHARED_OBJECT.test(place) ? [source] : [] }];
}

export function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith("/") ? folder : `${folder}/`);
}

const SHARED_OBJECT = /\.so(\.\d+)*$|\.node$/;
/** Folders that links lead to, one behind the other: more is no folder that anybody means. */
const MOST_FOLDERS = 200;
const NO_FILES = ["/proc", "/sys", "/dev", "/run"];
