import { type FileSpace, readWhole } from "../../../filesystems/file-space.ts";
import { MiB } from "../../../support/bytes.ts";
import { isRecord } from "../../../support/records.ts";
import { ownFilesRule } from "../own-files.ts";
import type { TrimRule } from "../survey.ts";

/** What of a project's folder is not for running it. `project` is a path of the space. */
export function projectRules(project: string, space: FileSpace): TrimRule[] {
  const development = developmentPackages(`${project}/node_modules/.package-lock.json`, space);
  return [
    ownFilesRule(project, space),
    { what: "version control", matches: (path) => /(^|\/)\.(git|hg|svn)$/.test(path) },
    { what: "packages for development only", matches: (path, isDirectory) => isDirectory && development.has(path) },
    ...packageRules(),
  ];
}

/** What of installed packages is not for running them. */
export function packageRules(): TrimRule[] {
  return [
    { what: "source maps", matches: (path, isDirectory) => !isDirectory && /\.[cm]?js\.map$/.test(path) },
    { what: "type declarations", matches: (path, isDirectory) => !isDirectory && /\.d\.[cm]?ts(\.map)?$/.test(path) },
    {
      what: "documentation of packages",
      matches: (path, isDirectory) =>
        !isDirectory && /(^|\/)node_modules\/.*\.(md|markdown)$|^[^/]+\/[^/]*\.md$/i.test(path),
    },
    {
      what: "caches of tools",
      matches: (path, isDirectory) => isDirectory && /(^|\/)node_modules\/\.cache$/.test(path),
    },
  ];
}

/** npm writes down, in the hidden lock file beside the packages, which are there for development only. */
function developmentPackages(lockFile: string, space: FileSpace): ReadonlySet<string> {
  const found = space.find(lockFile);
  if (found?.type !== "file" || found.size > LARGEST_LOCK_FILE) return new Set();
  const lock = parse(readWhole(found).toString("utf8"));
  const packages = isRecord(lock) && isRecord(lock.packages) ? lock.packages : {};
  return new Set(
    Object.entries(packages)
      .filter(([path, entry]) => path.startsWith("node_modules/") && isRecord(entry) && entry.dev === true)
      .map(([path]) => path),
  );
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Only npm reads it: without it, all packages stay.
    return undefined;
  }
}

const LARGEST_LOCK_FILE = 64 * MiB;
