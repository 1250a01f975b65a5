import type { TreeEntry } from "../../filesystems/filetree.ts";
import { byteLength } from "../../filesystems/names.ts";
import { chosenOf } from "../../filesystems/tree-walk.ts";
import type { Finding } from "../finding.ts";
import type { ImageInCheck } from "../image.ts";
import { firstFew } from "../phrases.ts";

/** OSv's limit of a name, NAME_MAX: longer ones are stored by ROFS and cannot be looked up. */
const LONGEST_NAME = 255;

/** What the image's file system cannot keep, or the guest cannot reach. One finding a kind. */
export function* treeRule({ tree, hasModes }: ImageInCheck): Generator<Finding> {
  const pathsOf = (takes: (name: string, entry: TreeEntry) => boolean) => chosenOf(tree, takes).map(({ path }) => path);
  const tooLong = pathsOf((name) => name.length > LONGEST_NAME / 3 && byteLength(name) > LONGEST_NAME);
  const isFile = ({ type }: TreeEntry) => hasModes && type === "file";
  const setUid = pathsOf((_, entry) => isFile(entry) && (entry.mode & 0o6000) !== 0);
  const isPrivate = pathsOf((name, entry) => isFile(entry) && (entry.mode & 0o077) === 0 && isSecret(name));
  yield* about(tooLong, (paths, are) => ({
    code: "name-too-long",
    severity: "warning",
    problem: `${paths} ${are} longer than the ${LONGEST_NAME} bytes that OSv can look up.`,
    advice: "Use a shorter name, or leave the file out.",
  }));
  yield* about(setUid, (paths, are) => ({
    code: "set-uid",
    severity: "note",
    problem: `${paths} ${are} to run as another user or group, which the image does not keep: all in OSv runs as root.`,
    advice: "There is nothing to do, unless the program looks at its own mode.",
  }));
  yield* about(isPrivate, (paths, are) => ({
    code: "mode-lost",
    severity: "note",
    problem: `${paths} ${are} private here, and readable for all in the image: its file system keeps no modes (all files have 0555).`,
    advice: "If a program refuses such a key, turn its check off, or let it read a copy from a ramfs.",
  }));
}

function* about(
  paths: readonly string[],
  tell: (paths: string, are: "is" | "are") => Omit<Finding, "path">,
): Generator<Finding> {
  const [path] = paths;
  if (path !== undefined) yield { ...tell(firstFew(paths.map(shortened), 3), paths.length === 1 ? "is" : "are"), path };
}

function shortened(path: string): string {
  return path.length <= 120 ? path : `${path.slice(0, 60)}…${path.slice(-40)}`;
}

/** Files that programs (ssh, postgres, nginx, …) want nobody else to read: keys and passwords. */
function isSecret(name: string): boolean {
  return /_key$|\.key$|\.pem$|^id_[a-z0-9]+$|\.keytab$|^\.pgpass$|^g?shadow$/.test(name);
}
