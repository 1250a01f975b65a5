import { type FileSpace, readWhole } from "../../filesystems/file-space.ts";
import { KiB } from "../../support/bytes.ts";
import type { TrimRule } from "./survey.ts";

/**
 * What Capstan itself keeps in a folder that is a program too: it says how images and instances are made of the program, and
 * is nothing to it. Volumes lie there as disks with a description beside each. `folder` is a path of the space.
 */
export function ownFilesRule(folder: string, space: FileSpace): TrimRule {
  const files = new Set(["Capstanfile", "capstan.yaml", "capstan.yml", "capstan.lock", ...volumes(folder, space)]);
  const folders = new Set(["mpm-pkg"]);
  if (space.find(`${folder}/meta/package.yaml`)?.type === "file") folders.add("meta");
  return {
    what: "files of Capstan",
    isSilent: true,
    matches: (path, isDirectory) => (isDirectory ? folders : files).has(path),
  };
}

/** The program may have a folder of that name for itself. */
function volumes(folder: string, space: FileSpace): readonly string[] {
  const names = space.list(`${folder}/volumes`) ?? [];
  const disks = names.filter((name) => isDescription(`${folder}/volumes/${name}.yaml`, space));
  return disks.flatMap((name) => [`volumes/${name}`, `volumes/${name}.yaml`]);
}

function isDescription(path: string, space: FileSpace): boolean {
  const found = space.find(path);
  return found?.type === "file" && found.size <= LARGEST && /^format:/m.test(readWhole(found).toString("utf8"));
}

const LARGEST = 64 * KiB;
