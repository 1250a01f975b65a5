import { type FileSpace, readWhole } from "../../filesystems/file-space.ts";
import { MiB } from "../../support/bytes.ts";
import { userSpace } from "./places.ts";

/**
 * The first parts of the names of modules ("LWP" of LWP::UserAgent) that a script uses, directly or through modules in
 * these folders. Without a script, all of them.
 */
export function usedModules(
  script: string | undefined,
  { space, folders }: { readonly space: FileSpace; readonly folders: readonly string[] },
): ReadonlySet<string> {
  if (script === undefined) return topsIn(folders, space);
  const used = new Set<string>();
  const seen = new Set<string>();
  const pending = [textOf(script, userSpace)];
  for (let source = pending.shift(); source !== undefined && seen.size < MOST; source = pending.shift()) {
    for (const [, name = ""] of source.matchAll(USE)) {
      if (seen.has(name)) continue;
      seen.add(name);
      used.add(name.split("::", 1)[0] ?? name);
      const file = `${name.replaceAll("::", "/")}.pm`;
      const path = folders.map((folder) => `${folder}/${file}`).find((one) => space.find(one)?.type === "file");
      if (path !== undefined) pending.push(textOf(path, space));
    }
  }
  return used;
}

function topsIn(folders: readonly string[], space: FileSpace): ReadonlySet<string> {
  return new Set(folders.flatMap((folder) => space.list(folder) ?? []).map((name) => name.replace(/\.pm$/, "")));
}

function textOf(path: string, space: FileSpace): string {
  const found = space.find(path);
  return found?.type === "file" && found.size <= LARGEST ? readWhole(found).toString("utf8") : "";
}

/** `use X`, `require X`, and `use parent "X"`. */
const USE =
  /^\s*(?:use|require)\s+(?:(?:parent|base)\s+(?:-norequire,\s*)?(?:qw\s*[([/{]\s*|["']))?([A-Za-z_]\w*(?:::\w+)*)/gm;
const MOST = 10_000;
const LARGEST = 4 * MiB;
