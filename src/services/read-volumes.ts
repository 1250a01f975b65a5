import { homedir } from "node:os";
import { resolve } from "node:path";
import type { YamlMap } from "../project/yaml-file.ts";
import type { DiskUse, FolderMount } from "./services-file.ts";

interface Volumes {
  readonly disks: readonly DiskUse[];
  readonly mounts: readonly FolderMount[];
}

/**
 * `volumes` as Compose writes them. A name is a disk (`data`, or `data:/mnt` to have its file system mounted), a path is a
 * folder of this machine (`./site:/www:ro`); or maps with type, source, target and read_only.
 */
export function readVolumes(map: YamlMap, folder: string): Volumes {
  const disks: DiskUse[] = [];
  const mounts: FolderMount[] = [];
  for (const item of map.items("volumes")) {
    const use = typeof item === "string" ? splitShort(item) : readLong(item);
    const shown = typeof item === "string" ? `'${item}'` : "a volume";
    if (use === undefined || use.source === "") {
      map.problem(
        "volumes",
        `${shown} cannot be used: write NAME, NAME:/target or ./folder:/target, with :ro to only read`,
      );
    } else if (use.target !== undefined && !use.target.startsWith("/")) {
      map.problem("volumes", `${shown} cannot be used: '${use.target}' is no absolute path of the guest`);
    } else if (!isPath(use.source)) {
      disks.push({ volume: use.source, target: use.target, readonly: use.readonly });
    } else if (use.target === undefined) {
      map.problem("volumes", `${shown} cannot be used: where it is to be in the guest is missing`);
    } else {
      mounts.push({ source: resolve(folder, expandHome(use.source)), target: use.target, readonly: use.readonly });
    }
  }
  return { disks, mounts };
}

interface Use {
  readonly source: string;
  readonly target: string | undefined;
  readonly readonly: boolean;
}

function splitShort(text: string): Use | undefined {
  const [source = "", target, mode, ...more] = text.split(":");
  if (more.length > 0 || (mode !== undefined && mode !== "ro" && mode !== "rw")) return undefined;
  return { source, target, readonly: mode === "ro" };
}

function readLong(map: YamlMap): Use {
  const type = map.string("type", (text) => (["volume", "bind"].includes(text) ? undefined : "choose volume or bind"));
  const source = map.string("source") ?? "";
  return {
    source: type === "bind" && !isPath(source) ? `./${source}` : source,
    target: map.string("target"),
    readonly: map.flag("read_only") ?? false,
  };
}

function isPath(source: string): boolean {
  return /^[./~]/.test(source);
}

function expandHome(path: string): string {
  return path === "~" || path.startsWith("~/") ? `${homedir()}${path.slice(1)}` : path;
}
